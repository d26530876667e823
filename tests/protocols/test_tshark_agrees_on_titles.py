"""tshark names the same commands and replies in the same frames, in every protocol of these that it knows."""

import subprocess
from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

import pytest
from tools import tool

from labkit import recorded
from labkit.decode.event import TEXT, Event
from labkit.dialects.ldap_messages import message
from labkit.show.recordings import FOLDER, names


class Reading(NamedTuple):
    """How tshark says what a phrase is."""

    fields: tuple[str, ...]
    wanted: Callable[[Event], str]
    """What it says of a phrase; empty where it says nothing."""


POSTGRESQL = {
    "SSLRequest": "SSL request",
    "S": "",
    "N": "",
    "StartupMessage": "Startup message",
    "AuthenticationCleartextPassword": "Authentication request",
    "AuthenticationOk": "Authentication request",
    "PasswordMessage": "Password message",
    "ParameterStatus": "Parameter status",
    "ReadyForQuery": "Ready for query",
    "Query": "Simple query",
    "CommandComplete": "Command completion",
    "Terminate": "Termination",
}


def _ldap(event: Event) -> str:
    return str(message(event.data).operation & 0x1F)


READINGS = {
    "ftp": Reading(("ftp.request.command", "ftp.response.code"), lambda event: event.title.split()[0]),
    "ldap": Reading(("ldap.protocolOp",), _ldap),
    "postgresql": Reading(("pgsql.type",), lambda event: POSTGRESQL[event.title]),
    "lmtp": Reading(("smtp.req.command", "smtp.response.code"), lambda event: event.title[:4].upper()),
}
RECORDINGS = [name for name in names() if name.split("_")[0] in READINGS]


@pytest.mark.parametrize("name", RECORDINGS)
def test_tshark_names_the_same_in_the_same_frames(name):
    fields, wanted = READINGS[name.split("_")[0]]
    ours = defaultdict(list)
    for dialogue in recorded(name).decrypted().dialogues:
        for event in dialogue.events:
            known = event.layer == TEXT and event.kind not in ("message", "credential", "challenge", "unknown")
            if known and dialogue.dialect and (said := wanted(event)):
                ours[event.frame].append(said)
    assert _theirs(name, fields) == ours


def _theirs(name: str, fields: tuple[str, ...]) -> dict[int, list[str]]:
    command = [tool("tshark"), "-r", str(FOLDER / f"{name}.pcapng"), "-2", "-d", "tcp.port==24,smtp", "-T", "fields"]
    command += [word for field in ("frame.number", *fields) for word in ("-e", field)]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    rows = (line.split("\t") for line in told.splitlines())
    found = {int(number): [one for value in values for one in value.split(",") if one] for number, *values in rows}
    return {
        number: [one.upper() if "smtp" in fields[0] else one for one in said] for number, said in found.items() if said
    }


@pytest.mark.parametrize("name", [name for name in names() if name.startswith(("xmpp", "nntp"))])
def test_tshark_sums_up_the_same_frames_in_the_same_words(name):
    command = [tool("tshark"), "-r", str(FOLDER / f"{name}.pcapng"), "-2", "-T", "fields"]
    command += ["-e", "frame.number", "-e", "_ws.col.Info"]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    said = {int(number): info.upper() for number, info in (line.split("\t", 1) for line in told.splitlines())}
    phrases = [event for event in recorded(name).decrypted().dialogue.events if event.layer == TEXT]
    for event in phrases:
        title = event.title.strip("/").split()[0].upper()
        assert event.kind == "message" or title == "FEATURES" or title in said[event.frame], event
    assert len(phrases) > 8
