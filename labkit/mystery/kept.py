"""A mystery network in files: what was recorded once stays the same, frame by frame, in the next kernel and elsewhere.

The capture is a pcapng without secrets. The data of the key lies beside it, packed, so that a student does not read it
by accident; it is not encrypted.
"""

import json
import re
import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from labkit.attacks.loot import Item
from labkit.attacks.verdict import Verdict
from labkit.attacks.victims.report import Report
from labkit.capture.pcap import write_pcapng
from labkit.errors import LabError
from labkit.mystery.plan import Plan, PlannedVisit
from labkit.mystery.staging import Staged, VisitRecord, hosts
from labkit.network import HOSTS
from labkit.network.addresses import address, numbered
from labkit.replacing import replacing
from labkit.show.capture import Capture, read_capture

_NAME = 40
"""Characters of a seed that a file name repeats."""


def place(folder: str | Path, plan: Plan) -> Path:
    """Where the capture of the network with this plan is kept in a folder; its key is beside it."""
    word = re.sub(r"[^A-Za-z0-9-]+", "-", plan.seed)[:_NAME].strip("-") or "network"
    return Path(folder) / f"{word}-{plan.size}-{_digest(plan)[:8]}.pcapng"


def write(happened: Staged, plan: Plan, path: Path) -> None:
    """Keep a network at `path`, and its key beside it. Raises `LabError` where that cannot be done."""
    write_pcapng(path, happened.capture.frames, "", happened.capture.how)
    content = {"plan": _digest(plan), "records": [_written(record) for record in happened.records]}
    try:
        with replacing(_beside(path)) as file:
            file.write(b64encode(zlib.compress(json.dumps(content).encode())))
    except OSError as error:
        raise LabError(f"The key cannot be written beside {path} ({error.strerror}): choose another folder.") from error


def read(plan: Plan, path: Path) -> Staged:
    """The network that was kept at `path`. Raises `LabError` for files that do not belong to it."""
    again = f"Delete it and {_beside(path).name}, and record the network again."
    try:
        content = json.loads(zlib.decompress(b64decode(_beside(path).read_bytes())))
        if content["plan"] != _digest(plan):
            raise LabError(f"{path} was recorded by another version of the lab. {again}")
        records = tuple(_read(record) for record in content["records"])
    except OSError as error:
        raise LabError(f"The key of {path} cannot be read ({error.strerror}). {again}") from error
    except (ValueError, TypeError, KeyError, zlib.error) as error:
        raise LabError(f"The key of {path} is damaged. {again}") from error
    kept = read_capture(path)
    names = {address(number): name for name, number in numbered((*HOSTS, *hosts(plan))).items()}
    return Staged(Capture(kept.frames, "", names, kept.how), records)


def _beside(path: Path) -> Path:
    return path.with_suffix(".key.json")


def _digest(plan: Plan) -> str:
    return sha256(repr(plan).encode("utf-8", "backslashreplace")).hexdigest()


def _written(record: VisitRecord) -> dict[str, Any]:
    verdict = record.verdict
    return {
        "visit": asdict(record.visit),
        "began": record.began,
        "ended": record.ended,
        "report": [record.report.done, record.report.said],
        "changed": record.changed,
        "verdict": [verdict.outcome, verdict.why, verdict.secrets] if verdict else None,
        "loot": record.loot,
    }


def _read(record: Mapping[str, Any]) -> VisitRecord:
    visit, outcome = record["visit"], record["verdict"]
    return VisitRecord(
        PlannedVisit(**{**visit, "versions": tuple(visit["versions"])}),
        int(record["began"]),
        int(record["ended"]),
        Report(*record["report"]),
        tuple(record["changed"]),
        Verdict(outcome[0], outcome[1], tuple(outcome[2])) if outcome else None,
        tuple(Item(*item) for item in record["loot"]),
    )
