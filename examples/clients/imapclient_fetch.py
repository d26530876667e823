"""IMAPClient: `starttls` raises where there is no TLS; whether it is called at all is up to the program."""

import ssl
import sys

from imapclient import IMAPClient

word, scheme, host, port, user, password, authority = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)
implicit = scheme == "imaps"
with IMAPClient(host, int(port), ssl=implicit, ssl_context=context if implicit else None, timeout=5) as client:
    if not implicit and (word == "required" or client.has_capability("STARTTLS")):
        client.starttls(context)
    client.login(user, password)
    client.select_folder("INBOX", readonly=True)
    for number in client.search():
        print(client.fetch([number], ["RFC822"]))
