"""The plugin of pytest, as the author of a mail library uses it: ten lines, and a leak fails the build."""

import pytest

pytest_plugins = ("pytester",)

SAFE = """
    import smtplib
    import pytest

    @pytest.mark.starttls("smtp")
    def test_never_leaks(labkit):
        with smtplib.SMTP(labkit.host, labkit.port, timeout=10) as client:
            client.starttls(context=labkit.context)
            client.login(labkit.user, labkit.password)
            client.sendmail("alice@lab.test", "bob@lab.test", labkit.message)
"""
"""Its own time limit is shorter than the 20 seconds of the plugin: under an attack that is silent, nothing comes."""
UNSAFE = SAFE.replace(
    "client.starttls(context=labkit.context)",
    "client.ehlo() and client.has_extn('starttls') and client.starttls(context=labkit.context)",
)


def run(pytester, code, *options):
    """Run this code in a Python of its own."""
    pytester.makepyfile(code)
    return pytester.runpytest_subprocess("-W", "error", *options, timeout=200)


@pytest.fixture(autouse=True)
def no_other_plugin(monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "labkit.pytest_plugin")


def some(code, numbers):
    return code.replace('starttls("smtp")', f'starttls("smtp", attacks={numbers})')


def test_smtplib_used_well_passes_under_every_attack(pytester):
    from labkit.attacks import ALL
    from labkit.dialects import SMTP

    runs = 2 + sum(kind.applies_to(SMTP) for kind in ALL)
    run(pytester, SAFE).assert_outcomes(passed=runs)


def test_smtplib_used_carelessly_fails_where_it_leaks_and_the_line_is_shown(pytester):
    result = run(pytester, some(UNSAFE, ("N1", "N2", "C3", "X2")), "-v")
    result.assert_outcomes(passed=3, failed=3)
    result.stdout.fnmatch_lines(
        [
            "*test_never_leaks[[]in the clear, no attack] FAILED*",
            "*test_never_leaks[[]upgraded, no attack] PASSED*",
            "*test_never_leaks[[]upgraded, N1] FAILED*",
            "It leaks (upgraded, N1).",
            "leaked (password, user name, message, subject): the attacker read it in clear text",
            "*password 'hunter2' in 'AUTH PLAIN *",
        ]
    )


def test_a_test_that_shows_nothing_fails_and_says_why(pytester):
    wrong = {
        "mistaken": SAFE.replace("labkit.context", "nonsense"),
        "asserting": SAFE.replace("client.login", "assert 'ten' == 'nine'; client.login"),
        "absent": SAFE.replace("with smtplib", "return\n        with smtplib"),
        "unverified": SAFE.replace("labkit.context", "None"),
        "unmarked": SAFE.replace('@pytest.mark.starttls("smtp")', ""),
    }
    code = "\n".join(some(one.replace("never_leaks", name), ("C1",)) for name, one in wrong.items())
    result = run(pytester, code, "-rA")
    result.assert_outcomes(passed=6, failed=6, errors=1)
    for said in (
        "*NameError: name 'nonsense' is not defined*",
        "*AssertionError: assert 'ten' == 'nine'*",
        "Without an attack (upgraded) it does not do its work inside TLS.",
        "*the client never came by*",
        "It leaks (upgraded, C1).",
        "*is for tests with the mark @pytest.mark.starttls*",
    ):
        result.stdout.fnmatch_lines([said])


MEANINGLESS = {
    "no_fixture": (SAFE.replace("(labkit)", "()"), "*is marked starttls, so it takes the fixture labkit*"),
    "protocol": (SAFE.replace('"smtp"', '"gopher"'), "*The lab does not speak 'gopher'*"),
    "attack": (SAFE.replace('"smtp"', '"smtp", attacks=("N99",)'), "*There is no attack 'N99'*"),
    "mode": (SAFE.replace('"smtp"', '"smtp", modes=("clear",)'), "*The modes of starttls are some of*"),
    "argument": (SAFE.replace('"smtp"', '"smtp", vectors=()'), "*The mark is starttls(protocol=*"),
}


def test_a_mark_that_means_nothing_is_told(pytester):
    pytester.makepyfile(**{f"test_{name}": code for name, (code, _) in MEANINGLESS.items()})
    result = pytester.runpytest_subprocess("-W", "error", timeout=200)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.assert_outcomes(errors=len(MEANINGLESS))
    for _, said in MEANINGLESS.values():
        result.stdout.fnmatch_lines([said])
    result.stdout.no_fnmatch_line("*pytest_plugin.py:*")


def test_a_client_without_a_time_limit_is_ended_and_told(pytester):
    code = SAFE.replace(", timeout=10", "").replace('"smtp"', '"smtp", attacks=("N5",), timeout=2')
    result = run(pytester, code)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*Whether it leaks is not known (upgraded, N5)*", "*had not ended after 2 s*"])


def test_implicit_tls_and_other_protocols_are_asked_for_by_name(pytester):
    code = """
        import imaplib
        import pytest

        @pytest.mark.starttls("imap", modes=("implicit", "upgraded"), attacks=("N1", "T3", "C2"))
        def test_never_leaks(labkit):
            if labkit.mode == "implicit":
                client = imaplib.IMAP4_SSL(labkit.host, labkit.port, ssl_context=labkit.context, timeout=10)
            else:
                client = imaplib.IMAP4(labkit.host, labkit.port, timeout=10)
                client.starttls(labkit.context)
            with client:
                client.login(labkit.user, labkit.password)
                client.select()
                assert client.fetch("1", "(RFC822)")[0] == "OK"
    """
    run(pytester, code, "-W", "default").assert_outcomes(passed=8)


def test_it_is_found_by_its_entry_point_and_other_tests_do_not_load_the_lab(pytester, monkeypatch):
    for name in ("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "PYTEST_PLUGINS"):
        monkeypatch.delenv(name)
    code = """
        import sys

        def test_what_is_loaded():
            assert {name for name in sys.modules if name.startswith("labkit")} == {"labkit", "labkit.pytest_plugin"}
    """
    run(pytester, code).assert_outcomes(passed=1)
