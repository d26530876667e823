"""smtplib as it is often used: TLS if it is offered, and no context, so that no certificate is verified."""

import smtplib
import sys

scheme, host, port, user, password, _ = sys.argv[1:]
kind = smtplib.SMTP_SSL if scheme == "smtps" else smtplib.SMTP
with kind(host, int(port), timeout=5) as client:
    client.ehlo()
    if client.has_extn("starttls"):
        client.starttls()
        client.ehlo()
    client.login(user, password)
    client.sendmail("alice@lab.test", "bob@lab.test", sys.stdin.read())
