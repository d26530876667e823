"""A plugin of pytest: a test of a mail library runs once under every attack, and fails where it has leaked a secret.

    @pytest.mark.starttls("smtp")
    def test_never_leaks(labkit):
        with smtplib.SMTP(labkit.host, labkit.port, timeout=5) as client:
            client.starttls(context=labkit.context)
            client.login(labkit.user, labkit.password)
            client.sendmail("alice@lab.test", "bob@lab.test", labkit.message)

The test is the victim. Under an attack, and on a server without TLS, what it raises is its refusal, and right; only an
AssertionError fails it. Without an attack it has to do its work inside TLS. It loads the lab only for such tests.
"""

import threading
import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from labkit.attacks.verdict import Verdict
    from labkit.trials.under_attack import UnderAttack

MARK = "starttls"
FIXTURE = "labkit"
PATIENCE = 20.0
"""Seconds after which the connections of a test are ended."""
_MARK_TAKES = (
    f'{MARK}(protocol="smtp", modes=("in the clear", "upgraded"), attacks=None, timeout={PATIENCE:g}): run the test '
    "under every attack on this protocol, or under those with these numbers; a third mode is implicit."
)


class AttackedTest(NamedTuple):
    """One run of a test."""

    protocol: str
    mode: str
    """One of `labkit.trials.under_attack.MODES`."""
    number: str
    """Of the attack; empty for none."""
    timeout: float

    @property
    def name(self) -> str:
        return f"{self.mode}, {self.number or 'no attack'}"

    @property
    def must_work(self) -> bool:
        """Whether the test runs without an attack."""
        return not self.number and self.mode != "in the clear"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARK_TAKES)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    mark = metafunc.definition.get_closest_marker(MARK)
    if mark is None:
        return
    if FIXTURE not in metafunc.fixturenames:
        pytest.fail(f"{metafunc.definition.nodeid} is marked {MARK}, so it takes the fixture {FIXTURE}.", pytrace=False)
    try:
        cases = _cases(*mark.args, **mark.kwargs)
    except TypeError:
        pytest.fail(f"The mark is {_MARK_TAKES}", pytrace=False)
    metafunc.parametrize(FIXTURE, cases, indirect=True, ids=[case.name for case in cases])


def _cases(
    protocol: str = "smtp",
    modes: tuple[str, ...] = ("in the clear", "upgraded"),
    attacks: tuple[str, ...] | None = None,
    timeout: float = PATIENCE,
) -> list[AttackedTest]:
    """The runs of a test, each mode's first without an attack. On a server without TLS there is nothing to attack."""
    from labkit.attacks import catalogue
    from labkit.dialects import named
    from labkit.errors import LabError
    from labkit.servers import server_for
    from labkit.trials.under_attack import CLEAR, MODES

    try:
        dialect = named(protocol)
        server_for(protocol)
        chosen = catalogue.ALL if attacks is None else [type(catalogue.vector(number)) for number in attacks]
        kinds = catalogue.on_conversations(chosen)
    except LabError as error:
        pytest.fail(str(error), pytrace=False)
    if isinstance(modes, str) or not set(modes) <= set(MODES):
        pytest.fail(f"The modes of {MARK} are some of {', '.join(map(repr, MODES))}, not {modes!r}.", pytrace=False)
    numbers = ["", *(kind.id for kind in kinds if kind.applies_to(dialect) and not kind.facade)]
    runs = [(mode, number) for mode in modes for number in numbers if mode != CLEAR or not number]
    return [AttackedTest(dialect.name, mode, number, timeout) for mode, number in runs]


@pytest.fixture
def labkit(request: pytest.FixtureRequest) -> "Iterator[UnderAttack]":
    """The fixture of a test marked with ``starttls``: `host`, `port`, `user`, `password`, `ca`, `context`,
    `message`."""
    case: AttackedTest | None = getattr(request, "param", None)
    if case is None:
        pytest.fail(f'The fixture {FIXTURE} is for tests with the mark @pytest.mark.{MARK}("smtp").', pytrace=False)
    from labkit.attacks import catalogue
    from labkit.attacks.vector import Vector
    from labkit.lab import Lab
    from labkit.trials.under_attack import under_attack

    vector = catalogue.vector(case.number) if case.number else Vector()
    with Lab("loopback") as lab, under_attack(lab, case.protocol, vector, case.mode) as attacked:
        yield attacked


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    if pyfuncitem.get_closest_marker(MARK) is None:
        return (yield)
    case: AttackedTest = pyfuncitem.callspec.params[FIXTURE]
    attacked: UnderAttack = pyfuncitem.funcargs[FIXTURE]
    cut: list[str] = []

    def end() -> None:
        cut.append(f"had not ended after {case.timeout:g} s (give it a time limit of its own)")
        attacked.close()

    late = threading.Timer(case.timeout, end)
    late.start()
    refusal: Exception | None = None
    try:
        yield
    except AssertionError:
        raise
    except Exception as error:
        if case.must_work:
            raise
        refusal = error
        traceback.clear_frames(error.__traceback__)  # they would keep its connections open
    finally:
        late.cancel()
    attacked.close()
    said = f"{type(refusal).__name__}: {refusal}" if refusal else "the test has ended"
    _check(case, attacked.verdict(refusal is None, said, (said,), "".join(cut)))
    return True


def _check(case: AttackedTest, verdict: "Verdict") -> None:
    """Fail the test for a verdict that it must not have."""
    from labkit.attacks.verdict import LEAKED, UNHARMED, UNKNOWN

    if case.must_work and verdict.outcome != UNHARMED:
        pytest.fail(f"Without an attack ({case.mode}) it does not do its work inside TLS.\n{verdict!r}", pytrace=False)
    if verdict.outcome == LEAKED:
        pytest.fail(f"It leaks ({case.name}).\n{verdict!r}", pytrace=False)
    if verdict.outcome == UNKNOWN:
        pytest.fail(f"Whether it leaks is not known ({case.name}).\n{verdict!r}", pytrace=False)
