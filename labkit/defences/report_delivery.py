"""A TLS report on its way: as mail, and as a POST over HTTPS (RFC 8460 §3, §5).

The mail has no DKIM signature, because nothing in the lab signs with DKIM: outside, a receiver ignores a report without
one (§3). How the message and the request travel is not said here.
"""

from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from urllib.parse import unquote, urlsplit

from labkit.defences.requiretls import TLS_REQUIRED
from labkit.defences.tls_reports import TLSReport, compressed
from labkit.mail.message import Outgoing

MEDIA_TYPE = "application/tlsrpt+gzip"
"""§6.5."""


def as_mail(report: TLSReport, domain: str, uri: str) -> Outgoing:
    """The message that brings the report about a domain to a ``mailto:`` address (§5.3).

    It asks that no server insists on TLS (RFC 8689 §3): what is reported must not stop the report (§3, §5.3.1).
    """
    about = f"Report Domain: {domain} Submitter: {report.organization}"
    recipient = unquote(uri.removeprefix("mailto:").partition("?")[0])
    message = MIMEMultipart("report", policy=SMTP)
    message.set_param("report-type", "tlsrpt")
    fields = {
        "From": report.contact,
        "To": recipient,
        "Subject": f"{about} Report-ID: <{report.id}@{report.organization}>",
        "Date": format_datetime(report.end),
        "Message-ID": make_msgid(domain=report.organization),
        "TLS-Report-Domain": domain,
        "TLS-Report-Submitter": report.organization,
        TLS_REQUIRED: "No",
    }
    for name, value in fields.items():
        message[name] = value
    message.attach(
        MIMEText(f"This is a TLS report of {report.organization} about mail for {domain}.\n", _charset="us-ascii")
    )
    attachment = MIMEApplication(compressed(report), MEDIA_TYPE.partition("/")[2])
    attachment.add_header("Content-Disposition", "attachment", filename=report.file_name)
    message.attach(attachment)
    return Outgoing(report.contact, (recipient,), message.as_bytes())


def as_post(report: TLSReport, uri: str) -> tuple[str, bytes]:
    """The name of the host, and the request that brings the report to an ``https:`` address (§5.4)."""
    place = urlsplit(uri)
    body = compressed(report)
    head = [
        f"POST {place.path or '/'} HTTP/1.1",
        f"Host: {place.hostname}",
        f"Content-Type: {MEDIA_TYPE}",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    return str(place.hostname), "".join(f"{line}\r\n" for line in [*head, ""]).encode("ascii") + body
