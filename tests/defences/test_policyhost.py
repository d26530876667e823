"""A policy is fetched over HTTPS as RFC 8461 §3.3 says, and curl sees the same server."""

import threading
import time

import pytest
from networks import BEST, made
from thoroughly import every
from tools import tool

from labkit.defences.mta_sts import LARGEST, PATH, NoPolicy
from labkit.defences.policyhost import PolicyHost, WebPage, fetching
from labkit.network import KINDS
from labkit.trust.certificates import Authority
from labkit.trust.contexts import client_context, server_context

HOSTS = ("alice", "mail", "mallory", "www")
POLICY = b"version: STSv1\r\nmode: enforce\r\nmx: mail.bob.test\r\nmax_age: 604800\r\n"
NAME = "mta-sts.bob.test"


@pytest.fixture(params=every(KINDS, once=BEST))
def network(request):
    network = made(request.param, HOSTS)
    yield network
    network.close()


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture
def host(network, authority):
    host = PolicyHost(network.host("www"))
    host.serve(NAME, WebPage(POLICY), authority.certificate("right", NAME))
    return host


def fetch(network, authority, domain="bob.test", patience=3.0):
    context = client_context(authority, verify=True)
    return fetching(network.host("alice"), context, lambda name: "www", patience)(domain)


def refusal(network, authority, **more):
    with pytest.raises(NoPolicy) as caught:
        fetch(network, authority, **more)
    return caught.value.result, str(caught.value)


def test_a_policy_is_fetched_and_each_domain_has_a_certificate_of_its_own(network, authority, host):
    carol = "mta-sts.carol.test"
    host.serve(carol, WebPage(b"carol's"), authority.certificate("right", carol))
    assert fetch(network, authority) == POLICY and fetch(network, authority, "carol.test") == b"carol's"
    assert host.log[0] == f"#1 GET https://{NAME}{PATH}: 200, {len(POLICY)} bytes"
    assert "mta-sts.bob.test and mta-sts.carol.test" in repr(host)


def test_curl_gets_the_policy_too(network, authority, host, tmp_path):
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    command = [tool("curl"), "-s", "--cacert", str(tmp_path / "ca.pem"), "-w", "%{http_code} %{content_type}"]
    command += ["--connect-to", "{}:443:{}:{}".format(NAME, *host.address), f"https://{NAME}{PATH}"]
    assert network.host("alice").run(command).stdout == POLICY + b"200 text/plain; charset=utf-8"
    assert (
        network.host("alice")
        .run([*command[:-1], f"https://{NAME}/other"])
        .stdout.endswith(b"404 " + b"text/plain; charset=utf-8")
    )


@pytest.mark.parametrize("kind", ("wrong name", "expired", "self-signed", "unknown root"))
def test_a_certificate_that_does_not_fit_is_the_result_sts_webpki_invalid(network, authority, host, kind):
    host.serve(NAME, WebPage(POLICY), authority.certificate(kind, NAME))
    result, why = refusal(network, authority)
    assert result == "sts-webpki-invalid" and f"the certificate of {NAME} does not fit" in why


@pytest.mark.parametrize(
    "page, why",
    (
        (WebPage(POLICY, 301, location=f"https://{NAME}/elsewhere"), "301 and not 200, and a redirect may not"),
        (WebPage(POLICY, 404), "404 and not 200"),
        (WebPage(POLICY, 500), "500 and not 200"),
        (WebPage(POLICY, 204), "204 and not 200"),
        (WebPage(POLICY, type="text/html"), "'text/html' and not text/plain"),
        (WebPage(b"x" * (LARGEST + (32 << 10))), f"more than {LARGEST} bytes"),
    ),
)
def test_what_is_not_200_or_not_text_or_too_long_is_the_result_sts_policy_fetch_error(
    network, authority, host, page, why
):
    host.serve(NAME, page, authority.certificate("right", NAME))
    host.serve(NAME, WebPage(POLICY), authority.certificate("right", NAME), "/elsewhere")
    result, said = refusal(network, authority)
    assert result == "sts-policy-fetch-error" and why in said
    assert sum("elsewhere" in line for line in host.log) == 0, "the redirect was not followed"


def test_a_policy_host_that_is_not_there_or_serves_nothing(network, authority, host):
    host.withdraw(NAME)
    assert "404" in refusal(network, authority)[1]
    host.close()
    host.close()
    assert refusal(network, authority)[0] == "sts-policy-fetch-error"


def endless(inside):
    inside.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        inside.sendall(b"mx: a.test\r\n" * 500)


def slow(inside):
    inside.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(50):
        inside.sendall(b"m")
        time.sleep(0.1)


def late(inside):
    time.sleep(4)


@pytest.mark.parametrize(
    "answer, why",
    (
        (endless, "more than 65536 bytes"),
        (slow, "takes longer than 2 s"),
        (late, "cannot be fetched"),
        (lambda inside: inside.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf"), "in the middle"),
        (lambda inside: inside.sendall(b"220 mail ESMTP\r\n"), "not HTTP"),
        (lambda inside: inside.sendall(b"HTTP/1.1 200 OK\r\nContent-Type"), "not HTTP"),
        (lambda inside: None, "not HTTP"),
    ),
)
def test_whatever_a_policy_host_says_the_fetch_ends_in_bounded_time(network, authority, answer, why):
    listener = network.host("www").listen(443)
    context = server_context(authority.certificate("right", NAME))

    def serve():
        try:
            sock, _ = listener.socket.accept()
            with context.wrap_socket(sock, server_side=True) as inside:
                inside.recv(4096)
                answer(inside)
        except OSError:
            pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    result, said = refusal(network, authority, patience=2.0 if answer in (slow, late) else 60.0)
    assert result == "sts-policy-fetch-error" and why in said
    listener.close()
    thread.join(60)


@pytest.mark.parametrize("noise", (b"", b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\0" * 9000))
def test_a_client_that_speaks_no_tls_does_no_harm(network, authority, host, noise):
    with network.host("alice").connect("www", 443, 3) as sock:
        sock.sendall(noise)
    assert fetch(network, authority) == POLICY
