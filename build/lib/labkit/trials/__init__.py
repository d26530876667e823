"""Everything against everything, live: policies, TLS versions, attacks. The caller says what makes a server."""
