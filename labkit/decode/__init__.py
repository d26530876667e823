"""From conversations to dialogues: what was said, what it means, and what an eavesdropper can read of it."""
