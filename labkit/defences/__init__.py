"""What stops an attacker on the path between mail servers: a signed DNS, MTA-STS, DANE, reports, and the decision.

The records and rules are pure; the name server, the policy host and the sending server stand on hosts of the lab.
dnspython loads in this room alone.
"""
