"""The ARP of a capture as a table: who said what about whom, and which of it cannot be true."""

from typing import TYPE_CHECKING

from labkit.decode.arp import ANSWER, EVERYBODY, Claim, claims, contradicted
from labkit.show.page import Page, markup, printable

if TYPE_CHECKING:
    from labkit.show.capture import Capture

_NONE = "There is no ARP in this capture: on a loopback interface nobody has to ask where a host is."
_HEAD = ("ms", "to", "said")
_LIE = "! contradicts what was said before or after"


def arp_table(capture: "Capture") -> Page:
    """What was said in ARP in this capture."""
    found = claims(capture.frames)
    lies = contradicted(found)
    rows = [_row(claim, found[0].time, capture.names, claim in lies) for claim in found]
    return Page(_html(rows), _text(rows))


def _row(claim: Claim, start: float, names: dict[str, str], lie: bool) -> tuple[str, ...]:
    def name(ip: str) -> str:
        return printable(f"{names[ip]} ({ip})" if ip in names else ip)

    has = f"I, {name(claim.ip)}, have {claim.hardware}"
    said = f"{has}." if claim.kind == ANSWER else f"Who has {name(claim.about)}? {has}."
    to = "everybody" if claim.target == EVERYBODY else name(claim.about)
    return f"{(claim.time - start) * 1000:.1f}", to, said, _LIE if lie else ""


def _html(rows: list[tuple[str, ...]]) -> str:
    if not rows:
        return f"<p>{markup(_NONE)}</p>"
    head = "".join(f'<th scope="col">{name}</th>' for name in _HEAD)
    body = "".join(
        f'<tr><td class="lk-ms">{time}</td><td class="lk-who">{markup(to)}</td>'
        f"<td><code>{markup(said)}</code>{_mark(lie)}</td></tr>"
        for time, to, said, lie in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _mark(lie: str) -> str:
    return f' <span class="lk-what">{markup(lie)}</span>' if lie else ""


def _text(rows: list[tuple[str, ...]]) -> str:
    lines = (f"{time:>8}  {to:<22}  {said}  {lie}".rstrip() for time, to, said, lie in rows)
    return "\n".join(lines) if rows else _NONE
