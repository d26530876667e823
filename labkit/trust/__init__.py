"""Trust: certificates and their authority, TLS contexts, and the key log (NSS key log format)."""
