"""The ARP of a capture as a table: each claim with its sender, and the claims that contradict each other."""

from functools import partial
from typing import TYPE_CHECKING

from labkit.decode.arp import ANSWER, BROADCAST, Claim, claims, contradicted
from labkit.show import html
from labkit.show.page import Page, sentence
from labkit.show.printed import printable
from labkit.show.table import Column, build

if TYPE_CHECKING:
    from labkit.show.capture import Capture

_NONE = (
    "There is no ARP in this capture: on a loopback interface nobody has to ask where a host is, "
    "and a tap records TCP alone."
)
_COLUMNS = (Column("ms", "lk-ms"), Column("to", "lk-who"), Column("said"))
_LIE = "! contradicts what was said before or after"


def arp_table(capture: "Capture") -> Page:
    """What was said in ARP in this capture."""
    found = claims(capture.frames)
    lies = contradicted(found)
    rows = [_row(claim, found[0].time, capture.names, claim in lies) for claim in found]
    return Page(partial(_table, rows), _text(rows)) if rows else sentence(_NONE)


def _row(claim: Claim, start: float, names: dict[str, str], lie: bool) -> tuple[str, ...]:
    def name(ip: str) -> str:
        return printable(f"{names[ip]} ({ip})" if ip in names else ip)

    has = f"I, {name(claim.ip)}, have {claim.hardware}"
    said = f"{has}." if claim.kind == ANSWER else f"Who has {name(claim.about)}? {has}."
    to = "everybody" if claim.target == BROADCAST else name(claim.about)
    return f"{(claim.time - start) * 1000:.1f}", to, said, _LIE if lie else ""


def _table(rows: list[tuple[str, ...]]) -> html.Node:
    shown = [
        (time, to, [html.code[said], [" ", html.span("lk-what")[lie]] if lie else None]) for time, to, said, lie in rows
    ]
    return build(_COLUMNS, shown, label="What was said in ARP")


def _text(rows: list[tuple[str, ...]]) -> str:
    return "\n".join(f"{time:>8}  {to:<22}  {said}  {lie}".rstrip() for time, to, said, lie in rows)
