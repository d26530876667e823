"""``make capstones``: thirty mystery networks, read again by tshark alone and held against their keys.

What is asked of tshark is which bytes were said in which TCP stream, and what its own dissection of TLS found there.
Nothing of labkit's decoding is used. `disagreements` is also what the tests ask.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections import defaultdict
from pathlib import Path

from labkit import Lab

MAIL_PORTS = ("25", "587", "143", "110")
_OFFER = re.compile(rb"^(250[- ]STARTTLS|STLS|.*\bCAPABILITY\b.*\bSTARTTLS\b.*)\r$", re.MULTILINE)
_UPGRADE = re.compile(rb"(^|\r\n)(\w+ )?(STARTTLS|STLS)\r\n", re.IGNORECASE)
_TLS = re.compile(rb"\x16\x03[\x00-\x04]")
_GO_AHEAD = re.compile(rb"^(220 |\+OK |\w+ OK )[^\r]*\r\n")
_PROTOCOL_VERSION = "70"


class Stream:
    """One TCP stream, as tshark numbers them."""

    def __init__(self) -> None:
        self.frames: list[int] = []
        self.client = self.server = self.port = ""
        self.segments: list[tuple[str, bytes]] = []
        """(source address, payload) in order."""
        self.certificates: list[str] = []
        self.alerts: list[tuple[str, str]] = []
        """(source address, description) of alerts that can be read."""
        self.application_data = False
        """Whether the client sent TLS application data."""

    def said(self, by: str = "") -> bytes:
        """Everything that one end said, or both, before the first TLS record."""
        whole = b"".join(data for source, data in self.segments if by in ("", source))
        first = _TLS.search(whole)
        return whole[: first.start()] if first else whole

    @property
    def offers(self) -> bool:
        return bool(_OFFER.search(self.said(self.server)))

    @property
    def has_tls(self) -> bool:
        return any(_TLS.match(data) for _, data in self.segments)


def streams(path: Path) -> dict[int, Stream]:
    """The TCP streams of a capture, as tshark reads them."""
    fields = ("tcp.stream", "frame.number", "ip.src", "ip.dst", "tcp.dstport", "tcp.flags.syn", "tcp.flags.ack",
              "tcp.payload", "tls.handshake.certificate", "tls.alert_message.desc",
              "tls.record.content_type")  # fmt: skip
    command = ["tshark", "-n", "-r", str(path), "-o", "tls.desegment_ssl_records:TRUE", "-T", "fields"]
    command += [part for field in fields for part in ("-e", field)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    found: dict[int, Stream] = defaultdict(Stream)
    for line in done.stdout.splitlines():
        number, frame, source, target, port, syn, ack, payload, certificates, alerts, kinds = line.split("\t")
        if not number:
            continue  # a question to the name server, or its answer
        stream = found[int(number)]
        stream.frames.append(int(frame))
        if _set(syn) and not _set(ack):
            stream.client, stream.server, stream.port = source, target, port
        if payload:
            stream.segments.append((source, bytes.fromhex(payload.replace(":", ""))))
        stream.certificates += certificates.split(",")[:1] if certificates else []
        stream.alerts += [(source, alert) for alert in alerts.split(",") if alert]
        stream.application_data |= source == stream.client and "23" in kinds.split(",")
    return dict(found)


def _set(flag: str) -> bool:
    return flag in ("1", "True")


def disagreements(network, path: Path) -> list[str]:
    """Where the key of a network says something else than tshark reads in its file."""
    if b"CLIENT_" in path.read_bytes():
        return ["the file has secrets of TLS in it"]
    return contradictions(network, streams(path))


def contradictions(network, read: dict[int, Stream]) -> list[str]:
    """Where the key of a network says something else than these streams."""
    return [*_about_incidents(network, read), *_about_passwords(network, read), *_about_peace(network, read)]


def _of(incident, network, read: dict[int, Stream]) -> tuple[list[Stream], list[Stream]]:
    """The victim's streams and the attacker's, by the frames with which they begin."""
    by_frame = {stream.frames[0]: stream for stream in read.values()}
    began = [conversation.began for conversation in network.capture.conversations]
    return [by_frame[began[n]] for n in incident.sessions], [by_frame[began[n]] for n in incident.onward]


def _about_incidents(network, read):
    addresses = {name: address for address, name in network.capture.names.items()}
    for incident in network.key.incidents:
        own, onward = _of(incident, network, read)
        where = f"frames {incident.frames}, {incident.kind} ({incident.vector})"
        if {stream.client for stream in own} != {addresses[incident.victim]}:
            yield f"{where}: the victim is another host"
        if {stream.client for stream in onward} != {addresses[incident.attacker]}:
            yield f"{where}: the attacker is another host"
        mail = [stream for stream in own if stream.port != "443"]
        if {(stream.server, stream.port) for stream in mail} != {(addresses[incident.server], str(incident.port))}:
            yield f"{where}: the server is another one"
        if not _SHOWN[incident.kind](own, onward, mail):
            yield f"{where}: tshark does not see it"
        if not _leak_fits(incident, network, mail, onward):
            yield f"{where}: leaked is {incident.leaked!r}, which does not fit the streams"


def _removed(own, onward, mail):
    return not any(stream.offers or stream.has_tls for stream in mail) and all(stream.offers for stream in onward)


def _refused(own, onward, mail):
    asked = all(_UPGRADE.search(stream.said(stream.client)) for stream in mail)
    passed_on = any(_UPGRADE.search(stream.said(stream.client)) for stream in onward)
    return asked and not passed_on and all(stream.offers and not stream.has_tls for stream in mail)


def _mangled(own, onward, mail):
    crossed = all(b"XXXXXXXX" in stream.said(stream.server) for stream in mail)
    return crossed and not any(stream.has_tls for stream in mail) and all(stream.offers for stream in onward)


def _forged(own, onward, mail):
    shown = {one for stream in mail for one in stream.certificates[:1]}
    return len(shown) == 1 and all(stream.has_tls for stream in onward)


def _command(own, onward, mail):
    def behind(streams):
        upgrades = [data for stream in streams for source, data in stream.segments
                    if source == stream.client and data.upper().startswith(b"STARTTLS\r\n")]  # fmt: skip
        return [data[len(b"STARTTLS\r\n") :] for data in upgrades]

    return all(behind(onward)) and not any(behind(mail)) and bool(behind(mail))


def _response(own, onward, mail):
    def behind(streams):
        answers = [data for stream in streams for data in _first_answers(stream)]
        return [data[match.end() :] for data in answers if (match := _GO_AHEAD.match(data))]

    return bool(behind(mail)) and all(behind(mail)) and not any(behind(onward))


def _first_answers(stream):
    """What the server said at once to the upgrade command."""
    for (source, data), (other, answer) in zip(stream.segments, stream.segments[1:], strict=False):
        if source == stream.client and other == stream.server and _UPGRADE.search(data):
            yield answer


def _blocked(own, onward, mail):
    policy = [stream for stream in own if stream.port == "443"]
    silent = all(not any(source == stream.server for source, _ in stream.segments) for stream in policy)
    return bool(policy) and silent and _removed(own, onward, mail)


def _lowered(own, onward, mail):
    return any((stream.server, _PROTOCOL_VERSION) in stream.alerts for stream in mail)


_SHOWN = {
    "offer removed": _removed,
    "upgrade refused": _refused,
    "offer mangled": _mangled,
    "forged certificate": _forged,
    "command injection": _command,
    "response injection": _response,
    "policy blocked": _blocked,
    "version lowered": _lowered,
}


def _leak_fits(incident, network, mail, onward) -> bool:
    """Whether the gravest leak is what the streams allow."""
    clear = any(_holds(stream, _person(network, incident.victim)) for stream in mail)
    if incident.kind == "forged certificate":
        return (incident.leaked == "password") == any(stream.application_data for stream in mail)
    if incident.kind == "command injection":  # only one that begins a mail of the attacker's own can take a login
        return (incident.leaked == "password") == any(b"\r\nDATA\r\n" in stream.said() for stream in onward)
    if _person(network, incident.victim) is None:  # a relay, which has no password
        return (incident.leaked == "message") == any(b"The invoice is attached." in stream.said() for stream in mail)
    return (incident.leaked == "password") == clear and incident.leaked in ("password", "nothing")


def _person(network, name):
    return next((person for person in network.key.plan.people if person.name == name), None)


def _holds(stream: Stream, person) -> bool:
    """Whether this person's password can be read in a stream, as it is or in base64 (RFC 4616, AUTH LOGIN)."""
    if person is None:
        return False
    password, name = person.password.encode(), person.name.encode()
    spelled = (password, b64encode(b"\0" + name + b"\0" + password), b64encode(password))
    whole = b"".join(data for _, data in stream.segments)
    return any(each in whole for each in spelled)


def _about_passwords(network, read):
    """A password that can be read belongs to an attack in which it leaked, or to carelessness that is in the plan."""
    key, plan = network.key, network.key.plan
    names = network.capture.names
    attacked = {stream.frames[0] for one in key.incidents for both in _of(one, network, read) for stream in both}
    careless = {
        (visit.client, visit.house)
        for visit in plan.visits
        if visit.manner in ("none", "opportunistic", "older TLS", "keeping") and not visit.kind
    }
    for number, stream in read.items():
        for person in plan.people:
            if not _holds(stream, person) or stream.frames[0] in attacked:
                continue
            if (names[stream.client], names[stream.server]) not in careless or names[stream.client] != person.name:
                yield f"stream {number} holds the password of {person.name}, and the key knows nothing of it"


def _about_peace(network, read):
    """A session that was not attacked looks as its server always does."""
    names, key = network.capture.names, network.key
    attacked = {stream.frames[0] for one in key.incidents for both in _of(one, network, read) for stream in both}
    usual = defaultdict(set)
    for number, stream in read.items():
        if stream.frames[0] in attacked or stream.port not in MAIL_PORTS or not stream.said(stream.server):
            continue
        house = names[stream.server]
        if stream.offers == (house in key.never_offer):
            yield f"stream {number}: {house} {'offers' if stream.offers else 'does not offer'} TLS here"
        if b"XXXXXXXX" in stream.said() or (stream.server, _PROTOCOL_VERSION) in stream.alerts:
            yield f"stream {number} shows an attack that the key does not know"
        usual[house, stream.port] |= set(stream.certificates[:1])
    for (house, port), certificates in usual.items():
        if len(certificates) > 1:
            yield f"{house}:{port} shows {len(certificates)} certificates in peace"
    forged = [one for one in key.incidents if one.kind == "forged certificate"]
    for one in forged:
        shown = {certificate for stream in _of(one, network, read)[0] for certificate in stream.certificates[:1]}
        if shown & usual[one.server, str(one.port)] or not usual[one.server, str(one.port)]:
            yield f"frames {one.frames}: the certificate is the usual one, or there is nothing to compare it with"


def alike(network) -> tuple[object, ...]:
    """What would have to be the same in two networks that are alike."""
    plan = network.key.plan
    return tuple((visit.client, visit.house, visit.protocol, visit.kind, visit.attacker) for visit in plan.visits)


def main() -> int:
    """Record and read the networks that were asked for."""
    parser = argparse.ArgumentParser(prog='make capstones ARGS="…"', description=__doc__.split("\n", 1)[0])
    parser.add_argument("count", nargs="?", type=int, default=30, help="how many networks (30)")
    parser.add_argument("--size", type=int, default=300, help="how many visits of clients each has (300)")
    asked = parser.parse_args()
    wrong, seen = 0, {}
    with tempfile.TemporaryDirectory() as folder, Lab(network="loopback") as lab:
        for number in range(1, asked.count + 1):
            began = time.monotonic()
            network = lab.mystery_network(f"capstone {number}", asked.size)
            took = time.monotonic() - began
            complaints = disagreements(network, network.save(Path(folder) / "network.pcapng"))
            if (same := seen.setdefault(alike(network), number)) != number:
                complaints.append(f"it is like number {same}")
            told = f"{len(network.capture.conversations)} sessions, {len(network.key.incidents)} attacks, {took:.1f} s"
            print(f"{number:3}: {told}: {'; '.join(complaints) or 'the key is right'}", flush=True)
            wrong += bool(complaints)
    print(f"{asked.count} networks, {len(seen)} different ones, {wrong} wrong.")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
