"""Clients of the lab: they send and fetch mail with the standard library, under a policy about TLS."""

PROTOCOLS = ("SMTP", "IMAP", "POP3")
"""The names of the dialects that they speak: one to send mail, two to fetch it."""
