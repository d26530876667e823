"""A message, its content, mailboxes, and the post office that the servers of a lab share. Nothing here depends on a
protocol."""
