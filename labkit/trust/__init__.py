"""Who trusts whom: certificates and their authority (trustme), TLS contexts, and the key log (NSS key log format)."""
