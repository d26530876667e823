"""Records the captures of this folder anew: `make data`, or ``python data/record.py [FOLDER]``.

One row a recording: its name, what is in it, and the session as a learner would write it. A new recording is a new row
here and its line in README.md. A session on loopback is recorded with a tap, so that the files are the same kind of
thing whatever machine recorded them; what needs a LAN is recorded where there is one. The secrets of TLS are inside.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from labkit import Lab, attacks, compare, entropy_curve, policies, read_capture
from labkit.defences.sending import Configuration
from labkit.errors import NetworkUnavailable
from labkit.mail.message import compose

LOGIN = ("alice", "hunter2")
TEXT = "Dear Bob,\nthe PIN of the safe is 4921. Tell nobody.\nAlice\n"


class Recording(NamedTuple):
    """One capture file."""

    name: str
    holds: str
    """A sentence on what is in it; also the comment inside the file."""
    session: Callable[[Lab], object]
    """What happens in the lab while it captures."""
    before: Callable[[Lab], object] = lambda lab: None
    """What has happened until then."""
    network: str = "loopback"
    """Where it is recorded; on ``namespace``, a private LAN, with a packet socket of alice's."""
    hosts: tuple[str, ...] = ()
    """Hosts beside the usual three."""


def _mail_has_come(lab: Lab) -> object:
    return lab.send(lab.smtp(), TEXT, login=LOGIN)


def _poison(lab: Lab) -> None:
    mail = lab.smtp()
    with lab.mallory(attacks.Vector()):
        lab.send(mail, TEXT, policy=policies.verified)


def _visits(victim: str, **settings: Any) -> Callable[[Lab], object]:
    """A session of a client of `labkit.attacks.victims` with a server that has these settings."""

    def session(lab: Lab) -> object:
        lab.start(victim.partition(",")[0], **settings)
        return lab.visit(victim)

    return session


def _clear(protocol: str) -> Callable[[Lab], object]:
    return _visits(f"{protocol}, if offered", starttls="off", auth="always")


def _upgraded(protocol: str) -> Callable[[Lab], object]:
    return _visits(f"{protocol}, careful", tls="TLS 1.3")


def _stripped(protocol: str, vector: Callable[[], attacks.Vector]) -> Callable[[Lab], object]:
    def session(lab: Lab) -> None:
        lab.start(protocol, auth="always")
        with lab.mallory(vector()):
            lab.visit(f"{protocol}, if offered")

    return session


def _publish(lab: Lab) -> None:
    lab.domain("bob.test").sign().tlsa("3 1 1").sts("enforce").reports()


def _look_up(lab: Lab) -> None:
    for name, type in (
        ("bob.test", "MX"),
        ("mail.bob.test", "A"),
        ("_25._tcp.mail.bob.test", "TLSA"),
        ("_mta-sts.bob.test", "TXT"),
        ("_smtp._tls.bob.test", "TXT"),
        ("nobody.bob.test", "A"),
    ):
        lab.resolve(name, type)


def _relay(lab: Lab) -> None:
    sender = lab.registry.sender(lab.network.host("provider"), Configuration(dane=False))
    sender.send(compose("The PIN is 4921.", "secret", "alice@lab.test", "bob@bob.test"))


RECORDINGS = (
    Recording(
        "clear_smtp_auth_plain",
        "A login with AUTH PLAIN and a message, all in clear text: the server has no STARTTLS.",
        lambda lab: lab.send(lab.smtp(starttls="off", auth="always", mechanisms=("PLAIN",)), TEXT, login=LOGIN),
    ),
    Recording(
        "clear_smtp_auth_login",
        "A login with AUTH LOGIN and a message, all in clear text: the server has no STARTTLS.",
        lambda lab: lab.send(lab.smtp(starttls="off", auth="always", mechanisms=("LOGIN",)), TEXT, login=LOGIN),
    ),
    Recording(
        "clear_though_offered",
        "A message in clear text past a server that offers STARTTLS: the client's policy is to use no TLS.",
        lambda lab: lab.send(lab.smtp(), TEXT, policy=policies.none),
    ),
    Recording(
        "starttls_tls13",
        "STARTTLS and TLS 1.3: the upgrade, the second EHLO, a login with AUTH PLAIN and a message.",
        lambda lab: lab.send(lab.smtp(tls="TLS 1.3"), TEXT, login=LOGIN, policy=policies.verified),
    ),
    Recording(
        "starttls_tls12",
        "STARTTLS and TLS 1.2: the upgrade, the second EHLO, a login with AUTH PLAIN and a message.",
        lambda lab: lab.send(lab.smtp(tls="TLS 1.2"), TEXT, login=LOGIN, policy=policies.verified),
    ),
    Recording(
        "starttls_not_offered",
        "A client that insists on TLS, and a server without STARTTLS: it stops before the login and the message.",
        lambda lab: lab.send(lab.smtp(starttls="off", auth="always"), TEXT, login=LOGIN, policy=policies.mandatory),
    ),
    Recording(
        "starttls_wrong_name",
        "STARTTLS and a certificate for another name: the client ends the handshake with an alert and sends nothing.",
        lambda lab: lab.send(lab.smtp(certificate="wrong name"), TEXT, login=LOGIN, policy=policies.verified),
    ),
    Recording(
        "implicit_tls13",
        "TLS 1.3 from the first byte on port 465: no greeting and no STARTTLS in clear text.",
        lambda lab: lab.send(lab.smtp(implicit=True, tls="TLS 1.3"), TEXT, login=LOGIN, policy=policies.implicit),
    ),
    Recording(
        "imap_clear",
        "IMAP on port 143 in clear text: LOGIN, and a message that comes as a literal.",
        lambda lab: lab.fetch(lab.imap(starttls="off", auth="always")),
        _mail_has_come,
    ),
    Recording(
        "imap_starttls_tls13",
        "IMAP with STARTTLS and TLS 1.3: LOGINDISABLED before the upgrade, CAPABILITY once more behind it, a message.",
        lambda lab: lab.fetch(lab.imap(tls="TLS 1.3"), policy=policies.verified),
        _mail_has_come,
    ),
    Recording(
        "imap_implicit_tls13",
        "IMAP with TLS 1.3 from the first byte on port 993: a login and a message, and nothing in clear text.",
        lambda lab: lab.fetch(lab.imap(implicit=True, tls="TLS 1.3"), policy=policies.implicit),
        _mail_has_come,
    ),
    Recording(
        "pop3_clear",
        "POP3 on port 110 in clear text: USER, PASS, and a message that ends with a single dot.",
        lambda lab: lab.fetch(lab.pop3(starttls="off", auth="always")),
        _mail_has_come,
    ),
    Recording(
        "pop3_stls_tls13",
        "POP3 with STLS and TLS 1.3: the upgrade, CAPA once more, a login and a message.",
        lambda lab: lab.fetch(lab.pop3(tls="TLS 1.3"), policy=policies.verified),
        _mail_has_come,
    ),
    Recording(
        "pop3_implicit_tls13",
        "POP3 with TLS 1.3 from the first byte on port 995: a login and a message, and nothing in clear text.",
        lambda lab: lab.fetch(lab.pop3(implicit=True, tls="TLS 1.3"), policy=policies.implicit),
        _mail_has_come,
    ),
    Recording(
        "lmtp_clear",
        "LMTP on port 24 in clear text: a login and a message, with one reply for each recipient.",
        _clear("LMTP"),
    ),
    Recording(
        "lmtp_starttls_tls13",
        "LMTP with STARTTLS and TLS 1.3: LHLO once more behind the upgrade, a login and a message.",
        _upgraded("LMTP"),
    ),
    Recording(
        "managesieve_clear",
        "ManageSieve on port 4190 in clear text: a login with AUTHENTICATE, and a script that comes as a literal.",
        _clear("ManageSieve"),
    ),
    Recording(
        "managesieve_starttls_tls13",
        "ManageSieve with STARTTLS and TLS 1.3: the server lists its capabilities anew behind the upgrade.",
        _upgraded("ManageSieve"),
    ),
    Recording(
        "ftp_clear",
        "FTP on port 21 in clear text: USER, PASS, and a file over a data connection of its own.",
        _clear("FTP"),
    ),
    Recording(
        "ftp_auth_tls_tls13",
        "FTP with AUTH TLS, PBSZ and PROT P: the control connection and the data connection have TLS 1.3 each.",
        _upgraded("FTP"),
    ),
    Recording(
        "ftp_half_protected",
        "FTP with AUTH TLS, but without PROT P: the login is protected, and the file crosses in clear text.",
        _visits("FTP, careful (half protected)", tls="TLS 1.3"),
    ),
    Recording(
        "ftp_stripped",
        "FTP whose offer of AUTH TLS an attacker removes: both of her sides, the password and the file in clear text.",
        _stripped("FTP", attacks.StripCapability),
    ),
    Recording(
        "nntp_clear",
        "NNTP on port 119 in clear text: AUTHINFO USER and PASS, and an article.",
        _clear("NNTP"),
    ),
    Recording(
        "nntp_starttls_tls13",
        "NNTP with STARTTLS and TLS 1.3: the upgrade, a login and an article.",
        _upgraded("NNTP"),
    ),
    Recording(
        "xmpp_clear",
        "XMPP on port 5222 in clear text: a stream, a login with PLAIN and a message.",
        _clear("XMPP"),
    ),
    Recording(
        "xmpp_starttls_tls13",
        "XMPP with starttls and TLS 1.3: a new stream begins inside TLS, with a login and a message.",
        _upgraded("XMPP"),
    ),
    Recording(
        "ldap_clear",
        "LDAP on port 389 in clear text: the root DSE, a simple bind and a new entry.",
        _clear("LDAP"),
    ),
    Recording(
        "ldap_starttls_tls13",
        "LDAP with StartTLS, an extended operation, and TLS 1.3: a simple bind and a new entry inside.",
        _upgraded("LDAP"),
    ),
    Recording(
        "postgresql_clear",
        "PostgreSQL on port 5432 in clear text: SSLRequest is answered with N, and the client goes on.",
        _clear("PostgreSQL"),
    ),
    Recording(
        "postgresql_sslrequest_tls13",
        "PostgreSQL with SSLRequest, answered with S, and TLS 1.3: a login and a query inside.",
        _upgraded("PostgreSQL"),
    ),
    Recording(
        "postgresql_stripped",
        "PostgreSQL whose answer S an attacker has replaced by N: both of her sides, with the password in clear text.",
        _stripped("PostgreSQL", attacks.RefuseUpgrade),
    ),
    Recording(
        "arp_poisoning",
        "On a LAN, as alice's interface sees it: mallory poisons ARP, passes a mail on unread, and heals the caches.",
        _poison,
        network="namespace",
    ),
    Recording(
        "signed_dns",
        "On a LAN, as alice's interface sees it: what a sender asks about a signed domain, and what is absent.",
        _look_up,
        _publish,
        network="namespace",
        hosts=("dns", "www"),
    ),
    Recording(
        "mta_sts_first_contact",
        "A sending server's first contact with a domain: its questions, a policy over HTTPS, and a mail with STARTTLS.",
        _relay,
        lambda lab: lab.domain("bob.test").sts("enforce"),
        hosts=("dns", "www", "provider"),
    ),
)


_CAPTURED = {"loopback": ("tap", None), "namespace": ("af_packet", "alice")}
"""Network -> how it is captured, and on which host."""


def record(recording: Recording, folder: Path) -> Path:
    """Run the session in a new lab and write its capture into `folder`."""
    how, host = _CAPTURED[recording.network]
    with Lab(network=recording.network, capture=how, hosts=recording.hosts) as lab:
        recording.before(lab)
        with lab.capture(host) as capture:
            recording.session(lab)
        capture.how = f"{recording.holds} {capture.how}"
        path = folder / f"{recording.name}.pcapng"
        capture.save(path)
    return path


def draw(folder: Path) -> list[Path]:
    """Write the pictures of the README into `folder`, drawn from the recordings there."""
    capture = read_capture(folder / "starttls_tls13.pcapng")
    (conversation,) = capture.conversations
    capture.names = {str(conversation.client): "alice", str(conversation.server): "mail"}
    kinds = {"clear": "clear_smtp_auth_plain", "STARTTLS": "starttls_tls13", "implicit TLS": "implicit_tls13"}
    opened = capture.decrypted()
    pictures = {
        "ladder": opened.ladder(opened.steps().notes),
        "compared": compare({name: read_capture(folder / f"{file}.pcapng") for name, file in kinds.items()}),
        "entropy": entropy_curve(capture),
    }
    for name, picture in pictures.items():
        picture.save(folder / f"{name}.svg")
    return [folder / f"{name}.svg" for name in pictures]


def main(folder: Path) -> None:
    """Record every row into `folder`; what this machine cannot record stays as it is, and is named."""
    for row in RECORDINGS:
        try:
            written = record(row, folder)
        except NetworkUnavailable as reason:
            print(f"{row.name} was not recorded. {reason}")
            continue
        print(f"{written.stat().st_size:6,} bytes  {written}")
    for drawn in draw(folder):
        print(f"{drawn.stat().st_size:6,} bytes  {drawn}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
