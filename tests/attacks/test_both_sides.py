"""``lab.mallory(vector)``: what she changed, read and concludes, and the captures of both sides, which tshark reads."""

import subprocess

import pytest
from tools import tool
from wires import target

from labkit import Lab, attacks, policies
from labkit.errors import LabError, NetworkUnavailable, OutsideTheLab

LOGIN = ("alice", "hunter2")


@pytest.fixture(params=("auto", "tap"))
def lab(request):
    with Lab("loopback", capture=request.param) as lab:
        yield lab


def lines(capture, folder, field="tcp.payload"):
    """What tshark finds of the text in a capture, one line each."""
    path = folder / "side.pcapng"
    capture.save(path)
    command = [tool("tshark"), "-r", str(path), "-T", "fields", "-e", field, "-Y", field]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    payload = b"".join(bytes.fromhex(line) for line in done.stdout.split())
    return payload.decode("utf-8", "replace").splitlines()


def test_tshark_sees_on_the_two_captures_the_edit_that_is_claimed(lab, tmp_path):
    mail = lab.smtp(auth="always")
    with lab.mallory(attacks.StripCapability()) as mallory:
        assert lab.send(mail, "The PIN is 4921", login=LOGIN)
    (edit,) = mallory.edits
    assert (edit.removed, edit.added, edit.sender) == ((b"250-STARTTLS\r\n",), (), "server")
    assert "removed '250-STARTTLS'" in repr(mallory.edits)
    saw, sent = lines(mallory.victim_side, tmp_path), lines(mallory.server_side, tmp_path)
    assert [line for line in sent if line not in saw] == ["250-STARTTLS"]
    assert [line for line in saw if line not in sent] == []


def test_tshark_sees_what_was_put_behind_starttls(lab, tmp_path):
    mail = lab.smtp()
    with lab.mallory(attacks.StealByInjection()) as mallory:
        lab.send(mail, "The PIN is 4921", login=LOGIN, policy=policies.verified)
    saw, sent = lines(mallory.victim_side, tmp_path), lines(mallory.server_side, tmp_path)
    (edit,) = mallory.edits
    assert edit.added == tuple(
        line.encode() + b"\r\n" for line in sent[sent.index("STARTTLS") + 1 :][: len(edit.added)]
    )
    assert "DATA" in sent and "DATA" not in saw


def test_each_side_shows_who_the_other_end_really_was(lab):
    mail = lab.smtp()
    with lab.mallory(attacks.StripCapability()) as mallory:
        lab.send(mail, "x")
    (victim,), (server,) = mallory.victim_side.dialogues, mallory.server_side.dialogues
    assert (victim.client_name, victim.server_name) == ("alice", "mallory posing as mail")
    assert (server.client_name, server.server_name) == ("mallory", "mail")


def test_a_capture_around_an_attack_holds_both_sides(lab):
    mail = lab.smtp()
    with lab.capture() as capture, lab.mallory(attacks.StripCapability()):
        lab.send(mail, "x")
    assert {d.server_name for d in capture.dialogues} == {"mail", "mallory posing as mail"}


def test_what_was_read_is_told_with_the_line_in_which_it_stood(lab):
    mail = lab.smtp(auth="always")
    with lab.mallory(attacks.StripCapability()) as mallory:
        lab.send(mail, "The PIN is 4921", login=LOGIN)
    secrets = {item.what: item for item in mallory.loot}
    assert secrets["password"].value == "hunter2" and secrets["password"].line.startswith("AUTH PLAIN ")
    assert secrets["message"].value == "The PIN is 4921" and secrets["message"].where == "in clear text"
    assert mallory.verdict.outcome == "leaked"
    assert mallory.verdict.secrets == ("password", "user name", "message", "subject")
    assert "hunter2" in repr(mallory.verdict) and "hunter2" in repr(mallory.loot)


def test_a_client_that_stops_says_so_in_its_own_words_and_on_the_wire(lab):
    mail = lab.smtp()
    with lab.mallory(attacks.RefuseUpgrade()) as mallory:
        outcome = lab.send(mail, "x", policy=policies.mandatory)
    assert mallory.verdict.outcome == "stopped"
    assert repr(outcome) in mallory.verdict.evidence
    assert "on the wire: QUIT" in mallory.verdict.evidence


def test_without_a_report_the_wire_alone_decides(lab):
    mail = lab.smtp(auth="always")
    with lab.mallory(attacks.UnknownRoot()) as mallory:
        lab.send(mail, "x", policy=policies.verified)
        mallory.reports.clear()
    assert mallory.verdict.outcome == "stopped"
    assert mallory.verdict.evidence == ("on the wire: TLS Alert: unknown_ca",)
    with lab.mallory(attacks.ResponseInjection()) as mallory:
        lab.send(mail, "x", policy=policies.verified)
        mallory.reports.clear()
    assert mallory.verdict.outcome == "unharmed"


def test_without_a_victim_nothing_is_claimed(lab):
    lab.smtp()
    with lab.mallory(attacks.StripCapability()) as mallory:
        pass
    assert mallory.verdict.outcome == "unknown" and "no client has connected" in mallory.verdict.why
    assert not mallory.loot and not mallory.edits
    assert "nothing was read" in repr(mallory.loot) and "nothing was changed" in repr(mallory.edits)


def test_a_new_attack_takes_the_place_of_the_last_one_and_the_lab_ends_it(lab):
    mail = lab.smtp()
    first = lab.mallory(attacks.StripCapability())
    second = lab.mallory(attacks.RefuseUpgrade())
    assert not first.under_way and second.under_way
    assert not lab.send(mail, "x", policy=policies.mandatory)
    with pytest.raises(LabError, match="close it first"):
        _ = second.victim_side
    second.close()
    second.close()
    assert len(second.victim_side.dialogues) == 1
    third = lab.mallory(attacks.StripCapability())
    lab.close()
    assert not third.under_way and "over" in repr(third)


def test_mallory_is_a_host_like_the_others(lab):
    lab.smtp()
    assert repr(lab.mallory) == repr(lab.network.host("mallory"))
    with lab.mallory.connect("mail", 587) as sock:
        assert sock.recv(100).startswith(b"220")
    listener = lab.mallory.listen(2525)
    assert lab.mallory.name == "mallory" and listener.host == "mallory"
    listener.close()


def test_an_attacker_may_use_the_server_like_any_client_while_she_attacks_it(lab):
    lab.smtp()
    with lab.mallory(attacks.StripCapability()) as mallory, lab.mallory.connect("mail", 587) as sock:
        assert sock.recv(100).startswith(b"220")
        sock.sendall(b"EHLO x\r\n")
        assert b"STARTTLS" in sock.recv(1000)
    assert not mallory.edits


def test_only_the_server_that_is_named_is_attacked(lab):
    submission, relay = lab.smtp(), lab.smtp(port=25)
    with lab.mallory(attacks.StripCapability(), at=relay) as mallory:
        assert lab.send(submission, "x", policy=policies.verified)
        assert not lab.send(relay, "x", policy=policies.verified)
        with pytest.raises(LabError, match="Port 587 is not attacked: only 25"):
            mallory.address(submission)


# ---- nothing outside the lab can be attacked


@pytest.mark.parametrize("address", ("198.51.100.7", "2001:db8::7", "mail.example.net"))
def test_nothing_outside_the_lab_can_be_attacked(lab, address):
    """Every public way into an attack: the network, the interceptor, lab.mallory, a victim's scene."""
    from labkit.attack import scene
    from labkit.attacks import victims
    from labkit.attacks.engine.interceptor import Interceptor

    server = lab.smtp()

    class Elsewhere:
        protocol, host, port = "SMTP", address, 587
        settings, certificate = server.settings, server.certificate

    with pytest.raises(OutsideTheLab):
        lab.network.intercept("mallory", address, 587)
    with pytest.raises(OutsideTheLab):
        Interceptor(lab.network, attacks.Vector(), [target(address, 587)], lab.authority)
    with pytest.raises(OutsideTheLab):
        Interceptor(lab.network, attacks.Vector(), [target("mail", 587)], lab.authority, attacker=address)
    with pytest.raises(OutsideTheLab):
        lab.mallory(attacks.StripCapability(), at=Elsewhere())
    with pytest.raises(OutsideTheLab):
        lab.mallory.connect(address, 587)
    report = victims.named("SMTP, careful").run(scene(lab.site, "SMTP")._replace(server=address))
    assert not report.done and "not inside the lab" in report.said
    assert not lab.network.interceptions
    assert lab.send(server, "x", policy=policies.verified)


def test_the_referral_to_another_server_leads_to_the_attackers_host_and_no_further(lab):
    lab.imap(auth="always")
    with lab.mallory(attacks.Referral()) as mallory:
        assert mallory.visit("IMAP, follows referral").done
    assert {d.server_name for d in mallory.victim_side.dialogues} == {"mallory posing as mail", "mallory"}
    assert mallory.verdict.outcome == "leaked"


def test_on_a_lan_the_attacker_gets_on_the_path_with_real_arp_and_the_verdict_is_the_same():
    try:
        lab = Lab("namespace")
    except NetworkUnavailable as error:
        pytest.skip(str(error))
    with lab:
        mail = lab.smtp(auth="always")
        with lab.capture() as capture, lab.mallory(attacks.StripCapability()) as mallory:
            assert lab.send(mail, "The PIN is 4921", login=LOGIN)
        assert mallory.verdict.outcome == "leaked" and "password" in mallory.verdict.secrets
        (victim,), (server,) = mallory.victim_side.dialogues, mallory.server_side.dialogues
        assert (victim.client_name, victim.server_name) == ("alice", "mallory posing as mail")
        assert victim.server == server.server  # the same address: the switch was deceived, not the name
        assert {d.server_name for d in capture.dialogues} == {"mail", "mallory posing as mail"}
        with lab.mallory(attacks.UnknownRoot()) as mallory:
            assert not lab.send(mail, "x", policy=policies.verified)
        assert mallory.verdict.outcome == "stopped"
        assert lab.send(mail, "x", policy=policies.verified)
