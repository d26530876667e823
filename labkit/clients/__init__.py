"""Clients of the lab: they send and fetch mail with the standard library, under a policy about TLS."""
