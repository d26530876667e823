"""parsedmarc, with which domains read their reports, reads the mail and the file of a report as the lab writes them.

It wants some packages that nothing else here needs, so it lives in a folder of its own. Their versions are fixed, and
only what it imports for this is fetched.
"""

import base64
import json
import os
import subprocess
import sys

import pytest

from labkit import Lab

PACKAGES = (
    "parsedmarc==11.1.0",
    "dkimpy==1.1.8",
    "html2text==2025.4.15",
    "lxml==6.1.3",
    "mail-parser==4.8.0",
    "mailsuite==2.3.3",
    "maxminddb==3.2.0",
    "publicsuffix2==2.20191221",
)
READ = """
import base64, json, sys
import parsedmarc

file, mail = (base64.b64decode(text) for text in json.loads(sys.stdin.read()))
read = parsedmarc.parse_report_email(mail, offline=True)
assert read["report_type"] == "smtp_tls"
print(json.dumps([parsedmarc.parse_smtp_tls_report_json(file), read["report"]], default=str))
"""


@pytest.fixture(scope="module")
def parsedmarc(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parsedmarc")
    fetch = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--target", str(folder)]
    fetched = subprocess.run([*fetch, *PACKAGES], capture_output=True, text=True, timeout=240)
    if fetched.returncode:
        stop = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        stop(f"parsedmarc cannot be fetched: {fetched.stderr}")
    return {**os.environ, "PYTHONPATH": str(folder)}


def test_parsedmarc_reads_the_mail_and_the_file_of_a_report(parsedmarc):
    with Lab("loopback", hosts=("dns", "www", "provider")) as lab:
        bob = lab.domain("bob.test", starttls="off").sts("testing").reports()
        provider = lab.provider()
        for _ in range(2):
            lab.send(provider, "hello", login=("alice", "hunter2"), recipient="bob@bob.test")
        (report,) = provider.sender.report()
        mail = bob.server.mailbox[-1].data
    given = json.dumps([base64.b64encode(each).decode() for each in (report.json, mail)])
    command = [sys.executable, "-c", READ]
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=120, env=parsedmarc)
    assert done.returncode == 0, done.stderr
    for read in json.loads(done.stdout):
        assert (read["organization_name"], read["report_id"]) == (report.organization, report.id)
        (policy,) = read["policies"]
        assert (policy["policy_domain"], policy["policy_type"]) == ("bob.test", "sts")
        assert (policy["successful_session_count"], policy["failed_session_count"]) == (0, 2)
        (failure,) = policy["failure_details"]
        assert (failure["result_type"], failure["failed_session_count"]) == ("starttls-not-supported", 2)
        assert failure["receiving_mx_hostname"] == "mail.bob.test"
