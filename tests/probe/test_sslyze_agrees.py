"""What sslyze and openssl find at the same servers is what the probe finds, in both directions. Where they differ, the
test says why.

sslyze wants an older `cryptography` than the rest of the tests, so it is installed in a folder of its own, which takes
longer than its scans.
"""

import json
import os
import subprocess
import sys

import pytest
from tools import tool

from labkit import Lab

SERVERS = {
    "smtp": {"tls": ("TLS 1.0", "TLS 1.3")},
    "imap": {"tls": ("TLS 1.2",), "certificate": "self-signed"},
    "pop3": {"tls": ("TLS 1.1", "TLS 1.2"), "ciphers": "ALL:@SECLEVEL=0", "certificate": "expired"},
    "xmpp": {"tls": ("TLS 1.3",), "certificate": "wrong name"},
    "ftp": {"ciphers": "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0", "certificate": "unknown root"},
    "postgresql": {},
}
"""LDAP is not among them: sslyze takes only the bytes of OpenLDAP for a go-ahead (RFC 4511 §4.14 allows others)."""
SUITES = {"ssl_2_0": "SSL 2.0", "ssl_3_0": "SSL 3.0"} | {f"tls_1_{minor}": f"TLS 1.{minor}" for minor in range(4)}

SCAN = """
import json, sys
from pathlib import Path
import sslyze
from sslyze import ScanCommand

places, file, suites = json.loads(sys.argv[1])
extra = sslyze.ScanCommandsExtraArguments(certificate_info=sslyze.CertificateInfoExtraArgument(Path(file)))
wanted = {ScanCommand(f"{one}_cipher_suites") for one in suites}
wanted |= {ScanCommand.CERTIFICATE_INFO, ScanCommand.TLS_COMPRESSION}
scanner = sslyze.Scanner()

def request(protocol, ip, port):
    starttls = sslyze.ProtocolWithOpportunisticTlsEnum[protocol.upper().replace("POSTGRESQL", "POSTGRES")]
    return sslyze.ServerScanRequest(
        sslyze.ServerNetworkLocation("mail.lab.test", port, ip_address=ip),
        sslyze.ServerNetworkConfiguration("mail.lab.test", tls_opportunistic_encryption=starttls, network_timeout=60),
        scan_commands=wanted, scan_commands_extra_arguments=extra)

scanner.queue_scans([request(*place) for place in places])
names = {port: protocol for protocol, _, port in places}
found = {}
for done in scanner.get_results():
    result = done.scan_result
    chain, = result.certificate_info.result.certificate_deployments
    own, = (one for one in chain.path_validation_results if str(one.trust_store.path) == file)
    found[names[done.server_location.port]] = {
        "suites": {one: sorted(suite.cipher_suite.name
                               for suite in getattr(result, f"{one}_cipher_suites").result.accepted_cipher_suites)
                   for one in suites},
        "verified": own.was_validation_successful, "error": own.validation_error,
        "chain": len(chain.received_certificate_chain),
        "compression": result.tls_compression.result.supports_compression,
    }
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def lab():
    with Lab("loopback") as lab:
        yield lab


@pytest.fixture(scope="module")
def authority(lab, tmp_path_factory):
    file = tmp_path_factory.mktemp("authority") / "authority.pem"
    file.write_bytes(lab.authority.pem)
    return file


@pytest.fixture(scope="module")
def probed(lab):
    """Protocol -> what the probe found there; the servers run on."""
    servers = {protocol: lab.start(protocol, **settings) for protocol, settings in SERVERS.items()}
    return {protocol: (server, lab.probe(server)) for protocol, server in servers.items()}


@pytest.fixture(scope="module")
def sslyze(probed, authority, tmp_path_factory):
    """Protocol -> what sslyze found there."""
    folder = tmp_path_factory.mktemp("sslyze")
    fetch = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), "sslyze>=6.3"]
    fetched = subprocess.run(fetch, capture_output=True, text=True, timeout=240)
    if fetched.returncode:
        stop = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        stop(f"sslyze cannot be fetched: {fetched.stderr}")
    places = [(protocol, *server.address) for protocol, (server, _) in probed.items()]
    command = [sys.executable, "-c", SCAN, json.dumps([places, str(authority), list(SUITES)])]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.thorough
@pytest.mark.parametrize("protocol", SERVERS)
def test_sslyze_finds_the_same_versions_suites_chain_and_compression(sslyze, probed, protocol):
    _, report = probed[protocol]
    theirs = {SUITES[one]: set(names) for one, names in sslyze[protocol]["suites"].items() if names}
    ours = {version: set(suites) for version, suites in report.versions.items()}
    assert ours == theirs
    assert report.observation.certificate.chain == sslyze[protocol]["chain"]
    assert (report["compression"].verdict == "fault") is sslyze[protocol]["compression"]


@pytest.mark.thorough
@pytest.mark.parametrize("protocol", SERVERS)
def test_sslyze_trusts_the_same_certificates(sslyze, probed, protocol):
    """sslyze says one thing of all that can be wrong with a certificate, the probe one of each."""
    _, report = probed[protocol]
    ours = all(report[one].verdict == "good" for one in ("name", "issuer", "dates"))
    assert ours is sslyze[protocol]["verified"], sslyze[protocol]["error"]


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("protocol", ["smtp", "xmpp", "ftp"])
def test_openssl_verifies_what_the_probe_finds_in_order(probed, authority, protocol, version):
    server, report = probed[protocol]
    options = ["-starttls", protocol, "-xmpphost", "mail.lab.test", "-CAfile", str(authority), version, "-brief"]
    checks = ["-verify_hostname", "mail.lab.test", "-verify_return_error"]
    command = [tool("openssl"), "s_client", "-connect", "{}:{}".format(*server.address), *options, *checks]
    done = subprocess.run(command, input="", capture_output=True, text=True, timeout=60)
    fits = all(report[one].verdict == "good" for one in ("name", "issuer", "dates"))
    spoken = f"TLS 1.{version[-1]}" in report.versions
    assert ("CONNECTION ESTABLISHED" in done.stderr) is (fits and spoken), done.stderr
