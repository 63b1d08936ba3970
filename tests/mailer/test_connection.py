"""The line to the mail server: encrypted and known where it should be, and never waited for without end."""

from __future__ import annotations

import os
import ssl
import threading
import time

import pytest

from app.blueprints.mailer import smtp
from app.blueprints.mailer.smtp import Connection, Later, Refused, Server, Unavailable
from app.config import settings
from tests.mailer.certificates import certificate
from tests.mailer.smtp_server import DROP, HANG, smtp_server
from tests.servers import free_port

MESSAGE = b"Subject: x\r\n\r\n.hidden\r\n..\r\n.\r\nlast\r\n"


@pytest.fixture(autouse=True)
def _context(work):
    """Sentences need a language."""


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory):
    """A context for ``localhost`` whose authority is in the file ``encrypted.authority``."""
    return certificate(tmp_path_factory.mktemp("tls"), "localhost")


@pytest.fixture
def trusted(encrypted, monkeypatch):
    """This machine trusts that authority."""
    monkeypatch.setenv("SSL_CERT_FILE", str(encrypted.authority))
    return encrypted


def deliver(server, host="127.0.0.1", to="ann@example.com", **options):
    connection = Connection(Server(host, server.port, **options))
    try:
        return connection.deliver("depot@example.com", to, MESSAGE)
    finally:
        connection.close()


def why(server, error, **options):
    with pytest.raises(error) as refusal:
        deliver(server, **options)
    return str(refusal.value)


def test_a_mail_is_handed_over_as_it_is():
    with smtp_server() as server:
        assert deliver(server) == "250 2.0.0 taken as 1"

    (mail,) = server.mails
    assert (mail.sender, mail.to, mail.data) == ("depot@example.com", "ann@example.com", MESSAGE)
    assert server.heard[-1] == "QUIT"


def test_many_mails_go_over_one_connection():
    with smtp_server() as server:
        connection = Connection(Server("127.0.0.1", server.port))
        server.answers["RCPT"] = ["", "550 no such user", "", "450 busy"]
        for outcome in (None, Refused, None, Later, None):
            if outcome is None:
                connection.deliver("d@x.mx", "a@x.mx", MESSAGE)
            else:
                with pytest.raises(outcome):
                    connection.deliver("d@x.mx", "a@x.mx", MESSAGE)
        connection.close()

    assert (server.taken, server.connections) == (3, 1)


def test_a_server_that_takes_only_so_many_mails_at_a_time_is_called_again():
    with smtp_server() as server:
        server.at_most = 2
        connection = Connection(Server("127.0.0.1", server.port))
        for _ in range(5):
            connection.deliver("d@x.mx", "a@x.mx", MESSAGE)
        connection.close()

    assert (server.taken, server.connections) == (5, 3)


def test_a_connection_that_has_died_between_two_mails_is_made_anew():
    with smtp_server() as server:
        connection = Connection(Server("127.0.0.1", server.port))
        connection.deliver("d@x.mx", "a@x.mx", MESSAGE)
        server.stop()
        server.start()
        connection.deliver("d@x.mx", "a@x.mx", MESSAGE)
        connection.close()

    assert (server.taken, server.connections) == (2, 2)


# Who is refused, and for how long


@pytest.mark.parametrize("word", ["RCPT", "DATA", "END"])
def test_a_5xx_is_for_good_and_a_4xx_for_now(word):
    with smtp_server() as server:
        server.answers[word] = "550 5.1.1 no such user"
        assert why(server, Refused) == "550 5.1.1 no such user"
        server.answers[word] = "450 4.2.1 come again"
        assert why(server, Later) == "450 4.2.1 come again"


@pytest.mark.parametrize("word", ["CONNECT", "MAIL"])
@pytest.mark.parametrize("code", ["421", "450", "550"])
def test_a_server_that_takes_no_mail_at_all_is_no_mails_fault(word, code):
    with smtp_server() as server:
        server.answers[word] = f"{code} not from you"
        assert f"{code} not from you" in why(server, Unavailable)


def test_a_server_that_wants_a_login_is_no_mails_fault():
    with smtp_server() as server:
        server.answers["RCPT"] = "530 5.7.0 authentication required"
        assert "530 5.7.0" in why(server, Unavailable)


@pytest.mark.parametrize("word", ["RCPT", "DATA", "END"])
@pytest.mark.parametrize("what", [DROP, "421 going down"])
def test_a_server_that_breaks_off_in_the_midst_of_a_mail_is_tried_again_later(word, what):
    with smtp_server() as server:
        server.answers[word] = what
        with pytest.raises(Later) as later:
            deliver(server)

    assert later.value.broke
    if (word, what) == ("END", DROP):
        assert "before the mail was confirmed" in str(later.value)


def test_a_server_that_is_not_there():
    with pytest.raises(Unavailable, match=r"no connection to 127\.0\.0\.1:.*: Connection refused"):
        Connection(Server("127.0.0.1", free_port())).deliver("d@x.mx", "a@x.mx", MESSAGE)
    with pytest.raises(Unavailable, match=r"no connection to nowhere\.invalid:25"):
        Connection(Server("nowhere.invalid", 25)).deliver("d@x.mx", "a@x.mx", MESSAGE)


# Time


@pytest.mark.parametrize("word", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "END"])
def test_a_server_that_says_nothing_is_not_waited_for_without_end(word, monkeypatch):
    monkeypatch.setattr(smtp, "CONNECT_S", 0.15)
    monkeypatch.setattr(smtp, "ANSWER_S", 0.15)
    began = time.monotonic()
    with smtp_server() as server:
        server.answers[word] = HANG
        reason = why(server, (Unavailable, Later))

    assert "timed out" in reason
    assert time.monotonic() - began < 2


def test_nor_one_that_dribbles(monkeypatch):
    monkeypatch.setattr(smtp, "MAIL_S", 0.4)
    with smtp_server() as server:
        server.slowness_s = 30
        began = time.monotonic()
        assert "before the mail was confirmed" in why(server, Later)

    assert time.monotonic() - began < 0.9


def test_whoever_waits_for_an_answer_can_be_cut_off(monkeypatch):
    monkeypatch.setattr(smtp, "ANSWER_S", 20.0)
    with smtp_server() as server:
        server.answers["END"] = HANG
        connection = Connection(Server("127.0.0.1", server.port))
        threading.Timer(0.2, connection.cut).start()
        with pytest.raises(Later):
            connection.deliver("d@x.mx", "a@x.mx", MESSAGE)


# TLS


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_mail_goes_encrypted(trusted, tls):
    with smtp_server(tls=trusted.context, implicit=tls == "implicit") as server:
        assert deliver(server, host="localhost", tls=tls).startswith("250")

    assert server.taken == 1
    assert ("STARTTLS" in server.heard) == (tls == "starttls")


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a_certificate_that_nobody_vouches_for_is_refused(encrypted, tls):
    with smtp_server(tls=encrypted.context, implicit=tls == "implicit") as server:
        reason = why(server, Unavailable, host="localhost", tls=tls)

    assert "the certificate of localhost:" in reason
    assert "is not trusted by this machine's certificate authorities" in reason
    assert server.taken == 0
    assert "MAIL" not in server.heard


def test_a_certificate_for_another_name_is_refused(trusted):
    with smtp_server(tls=trusted.context) as server:
        reason = why(server, Unavailable, host="127.0.0.1", tls="starttls")

    assert "mismatch" in reason


def test_a_server_that_does_not_speak_tls_gets_no_mail():
    with smtp_server() as server:
        assert why(server, Unavailable, tls="starttls").endswith("does not offer TLS")
        server.answers["STARTTLS"] = "454 not now"
    with smtp_server() as server:
        assert "no TLS with" in why(server, Unavailable, tls="implicit") or server.taken == 0
    assert server.taken == 0


# Login


def test_who_has_a_name_logs_in(trusted):
    with smtp_server(tls=trusted.context, login=("depot", "sesame")) as server:
        options = {"host": "localhost", "tls": "starttls", "username": "depot"}
        assert deliver(server, password="sesame", **options).startswith("250")
        reason = why(server, Unavailable, password="wrong", **options)
        assert "refuses the login: 535 5.7.8 wrong user or password" in reason
        assert "wrong" not in reason.replace("wrong user or password", "")
        assert "530" in why(server, Unavailable, host="localhost", tls="starttls")

    assert server.taken == 1


def test_a_login_that_the_server_does_not_offer():
    with smtp_server() as server:
        assert "does not offer a login" in why(server, Unavailable, username="depot", password="x")


def test_a_password_beyond_ascii():
    with smtp_server(login=("depot", "x")) as server:
        assert "must be ASCII" in why(server, Unavailable, username="depot", password="ñ")


# Settings


@pytest.mark.parametrize(
    ("given", "tls"),
    [({}, ""), ({"SMTP_TLS": "1", "SMTP_PORT": "587"}, "starttls"), ({"SMTP_PORT": "465"}, "implicit"),
     ({"SMTP_PORT": "465", "SMTP_TLS": "1"}, "implicit")],
)  # fmt: skip
def test_the_settings_say_how(given, tls):
    server = Server.of(settings({"SMTP_HOST": "mail.example.com", **given}))

    assert (server.host, server.tls) == ("mail.example.com", tls)


def test_a_password_is_not_in_what_is_logged():
    assert "sesame" not in repr(Server("h", 25, "u", "sesame"))


@pytest.mark.parametrize("text", ["x", "a@b.c, d@e.f", "a@b.c\nBcc: x@y.z", "@", "josé@example.com"])
def test_a_sender_that_is_none_stops_the_start(text):
    with pytest.raises(ValueError, match="MAIL_FROM must be one address"):
        settings({"MAIL_FROM": text})


def test_the_authority_may_be_ones_own(encrypted):
    """What the README says of SSL_CERT_FILE."""
    assert os.environ.get("SSL_CERT_FILE") != str(encrypted.authority)
    assert ssl.create_default_context().verify_mode == ssl.CERT_REQUIRED
