"""Test a server: a visit as any mail client makes it, what was seen, findings, and a grade.

`target` says which server and what may be done to it, `visit` is one conversation, `observing` makes all visits,
`findings` says what a check is, the files `…_checks` declare them, and `probe_report` is the whole.
"""
