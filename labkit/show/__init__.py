"""What a person sees: pages, transcripts, pictures and tables, in the terminal and in a notebook."""
