import pytest
from networks import require
from page_checks import read_page

from labkit import Lab
from labkit.errors import CannotSniff
from labkit.show.stage import stage


def pictured(lab):
    return stage(lab.network, lab.servers.values(), "auto")


def test_the_stage_shows_who_is_there_before_any_server_runs():
    with Lab() as lab:
        page = read_page(lab._repr_html_())
        words = "".join(page.words)
        for name in ("alice", "mallory", "mail", "lab.smtp()"):
            assert name in words and name in pictured(lab).text


@pytest.mark.parametrize("kind", ["loopback", "namespace"])
def test_the_stage_shows_the_port_of_each_server_and_the_real_one_where_it_is_another(kind):
    require(kind)
    with Lab(kind) as lab:
        servers = [lab.smtp(), lab.smtp(implicit=True)]
        words = "".join(read_page(lab._repr_html_()).words)
        for server in servers:
            for form in (words, pictured(lab).text):
                assert f"port {server.port}" in form
                assert ("really {}:{}".format(*server.address) in form) == (kind == "loopback")
        assert "STARTTLS offered" in words and "implicit TLS" in words


def test_the_stage_says_how_the_lab_listens_and_why(monkeypatch):
    with Lab() as lab:

        def refuse():
            raise CannotSniff("This process may not open a packet socket.")

        monkeypatch.setattr(lab.network.host("mallory"), "sniff", refuse)
        assert "tap" in pictured(lab).text and "may not open a packet socket" in pictured(lab).text


@pytest.mark.parametrize(("setting", "word"), [("tap", "tap"), ("af_packet", "AF_PACKET")])
def test_the_stage_names_the_way_to_capture_that_was_chosen(setting, word):
    with Lab(capture=setting) as lab:
        assert word in "".join(read_page(lab._repr_html_()).words)


def test_the_plain_text_of_the_stage_is_not_wider_than_a_page():
    with Lab() as lab:
        lab.smtp()
        lab.network.instead = "A better network cannot be made here, for a reason that takes many words. " * 4
        assert max(map(len, pictured(lab).text.splitlines())) <= 140
