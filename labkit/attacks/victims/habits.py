"""How people use a mail client's TLS, well and carelessly: each habit is a few lines over any program of `programs`.

A habit returns when the work is done, and raises one of the program's errors when it stops.
"""

import ssl
from collections.abc import Callable
from contextlib import suppress

from labkit.attacks.victims.programs import Program

Habit = Callable[[Program], None]


def careful(program: Program) -> None:
    """TLS always, the certificate verified, and nothing without it."""
    with program.connected():
        program.upgrade(program.scene.trust)
        _use(program)


def implicit(program: Program) -> None:
    """TLS from the first byte, the certificate verified."""
    with program.connected(program.scene.trust):
        _use(program)


def as_it_comes(program: Program) -> None:
    """Uses the library as it comes: its user says nothing about TLS."""
    with program.connected():
        program.log_in_by_default()
        program.work()


def looks(program: Program) -> None:
    """Verified TLS, a login, and nothing more: as mail programs do that look for new mail."""
    with program.connected():
        program.upgrade(program.scene.trust)
        program.log_in()


def without_context(program: Program) -> None:
    """TLS always, but without a context: the library then verifies nothing."""
    with program.connected():
        program.upgrade()
        _use(program)


def if_offered(program: Program) -> None:
    """TLS if it is offered, and in clear text if not."""
    with program.connected():
        if program.offers_tls():
            program.upgrade()
        _use(program)


def without_looking(program: Program) -> None:
    """Asks for TLS, and takes no notice when the answer is a refusal (CVE-2016-0772: smtplib raised nothing then)."""
    with program.connected():
        with suppress(*program.errors):
            program.upgrade()
        _use(program)


def tries_again(program: Program) -> None:
    """TLS; and if that fails for any reason, a second attempt in clear text."""
    try:
        without_context(program)
    except program.errors:
        with program.connected():
            _use(program)


def auto_detects(program: Program) -> None:
    """Takes what works: implicit TLS, or TLS if it is offered, or clear text."""
    try:
        implicit(program)
    except program.errors:
        if_offered(program)


def older_tls(program: Program) -> None:
    """Verified TLS, and when that fails, once more with TLS 1.2 at most."""
    try:
        careful(program)
    except program.errors:
        program.scene.trust.maximum_version = ssl.TLSVersion.TLSv1_2
        careful(program)


def remembers(program: Program) -> None:
    """Verified TLS, but goes by what was offered before it."""
    with program.connected():
        program.believed += program.look()
        program.upgrade(program.scene.trust)
        program.log_in()
        program.work()


def ignores_login(program: Program) -> None:
    """Verified TLS, but does not look at the answer to its login."""
    with program.connected():
        program.upgrade(program.scene.trust)
        with suppress(*program.errors):
            program.log_in()
        program.work()


def only_for_login(program: Program) -> None:
    """Requires TLS, but only where it logs in, and here it does not (CVE-2021-38373: KMail)."""
    with program.connected():
        program.work()


def relays(program: Program) -> None:
    """Passes mail on as servers do: no login, TLS if it is offered, the certificate not looked at."""
    with program.connected():
        if program.offers_tls():
            program.upgrade()
        program.work()


def _use(program: Program) -> None:
    program.believed += program.look()
    program.log_in()
    program.work()
