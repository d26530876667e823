"""The ports of mail: what the data say agrees with the servers, with the dialects and with the system's own list."""

import re
import socket

import pytest
from page_checks import read_page

from labkit.dialects import ALL as DIALECTS
from labkit.errors import LabError
from labkit.servers.imap.server import IMAPServer
from labkit.servers.pop3 import POP3Server
from labkit.servers.smtp import SMTPServer
from labkit.show import ports


def test_every_port_of_a_server_is_known_with_its_way_to_start_tls():
    for kind in (SMTPServer, IMAPServer, POP3Server):
        for implicit, number in kind.ports.items():
            known = ports.port(number)
            assert (known.protocol, known.tls) == (kind.protocol, ports.IMPLICIT if implicit else ports.EXPLICIT)


def test_every_port_of_a_mail_dialect_is_known_and_no_other():
    told = {(dialect.name, port) for dialect in DIALECTS for port in dialect.explicit_ports + dialect.implicit_ports}
    assert {(known.protocol, known.number) for known in ports.ALL} == {
        pair for pair in told if pair[0] in ("SMTP", "IMAP", "POP3")
    }


@pytest.mark.parametrize("known", [known for known in ports.ALL if known.service], ids=lambda known: known.service)
def test_a_name_is_the_one_that_the_system_knows(known):
    try:
        number = socket.getservbyname(known.service, "tcp")
    except OSError:
        pytest.skip("this system's list of services lacks it")
    assert number == known.number


def test_every_port_has_a_history_with_a_source():
    for known in ports.ALL:
        assert known.use and known.registered and known.history and known.blocked and known.sources
    assert "revoked in 1998" in ports.port(465).registered and not ports.port(2525).service


def test_a_table_shows_all_ports_or_those_that_are_asked_for():
    assert len(re.findall(r"^port \d+$", ports.table().text, re.MULTILINE)) == 8
    one = ports.table(465).text
    assert "465   submissions  SMTP    implicit  Submission inside TLS" in one and "143" not in one
    assert "port 465\n  registered: As smtps in 1997" in one
    read_page(ports.table().html)
    for number in (80, "25"):
        with pytest.raises(LabError, match="25, 587, 465"):
            ports.table(number)
