"""Two browsers that ask for a web page and are diverted to the mail server of the same name."""

from contextlib import suppress

from labkit.attacks.victims.programs import Program

_PAGE = 0.5
"""Seconds for a page; a mail server does not close the connection after it."""


def browses(program: Program) -> None:
    """Asks the server's name for a page, over verified TLS, and shows every byte of the answer (HTTP/0.9)."""
    program.believed += _page(program)


def browses_strictly(program: Program) -> None:
    """Asks the server's name for a page, over verified TLS, and shows what begins like HTTP (RFC 9112 §4)."""
    page = _page(program)
    if not page or not page[0].startswith("HTTP/"):
        raise ConnectionError("this is no answer of HTTP")
    program.believed += page


def _page(program: Program) -> list[str]:
    name = program.scene.server
    sock = program.scene.connect(name, 443)
    with program.scene.trust.wrap_socket(sock, server_hostname=name) as tls:
        tls.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        data = b""
        with suppress(TimeoutError):
            tls.settimeout(_PAGE)
            while piece := tls.recv(1 << 16):
                data += piece
    return data.decode("utf-8", "backslashreplace").splitlines()
