"""smtplib, told to require TLS: `starttls` raises where there is none, and the context verifies the certificate."""

import smtplib
import ssl
import sys

scheme, host, port, user, password, authority = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)
if scheme == "smtps":
    client = smtplib.SMTP_SSL(host, int(port), timeout=5, context=context)
else:
    client = smtplib.SMTP(host, int(port), timeout=5)
with client:
    if scheme == "smtp":
        client.starttls(context=context)
    client.login(user, password)
    client.sendmail("alice@lab.test", "bob@lab.test", sys.stdin.read())
