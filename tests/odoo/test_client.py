"""The client meets real servers on loopback: an Odoo, and such as hang, drip, lie, flood and redirect."""

from __future__ import annotations

import gzip
import re
import socket
import ssl
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.blueprints.odoo import client, connection
from app.blueprints.odoo.client import Login, check
from app.blueprints.odoo.errors import SENTENCES, sentence
from tests.odoo.certificates import DAY, Authority
from tests.odoo.servers import Odoo, http, odoo_server, question, saying, tcp_server
from tests.servers import free_port

# What comes of an answer that is none of Odoo's.
NOT_RPC = "nonsense"


def login(url: str, database="sales", username="ann", password="s3cret") -> Login:
    return Login(url, database, username, password)


def outcome(url: str, limit_s: float = 5.0) -> tuple[str, str]:
    report = check(login(url), limit_s)
    return report.outcome, report.fact


def said(answer: bytes, limit_s: float = 5.0) -> tuple[str, str]:
    """What comes of a server that answers so."""
    with tcp_server(saying(answer)) as port:
        return outcome(f"http://127.0.0.1:{port}", limit_s)


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "known")


@pytest.fixture
def trusted(authority, monkeypatch) -> Authority:
    """An authority that this machine knows."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    connection.trust.cache_clear()
    yield authority
    connection.trust.cache_clear()


# Odoo


def test_a_server_that_accepts_the_password_is_ok_and_tells_its_version():
    with odoo_server() as odoo:
        report = check(login(odoo.url))

    assert (report.outcome, report.fact, report.version) == ("ok", "", "17.0-20240101")
    assert report.is_ok
    assert 0 <= report.duration_ms < 5000
    assert odoo.asked == [("version",), ("authenticate", "sales", "ann", "s3cret", {})]
    assert odoo.hosts == [odoo.url.removeprefix("http://")] * 2


def test_a_server_may_live_below_a_path():
    with odoo_server(prefix="/erp") as odoo:
        assert outcome(odoo.url) == ("ok", "")
        assert outcome(odoo.url + "/") == ("ok", "")


def test_names_and_passwords_may_have_any_letters():
    odoo = Odoo(database='ñ"&<>', users={"señora <ann>": "¡clave & <ñandú>! 😀"})
    with odoo_server(odoo):
        report = check(Login(odoo.url, 'ñ"&<>', "señora <ann>", "¡clave & <ñandú>! 😀"))

    assert report.is_ok


def test_a_wrong_password_is_told_from_a_wrong_database():
    with odoo_server() as odoo:
        assert check(login(odoo.url, password="other")).outcome == "wrong_password"
        assert check(login(odoo.url, username="bob")).outcome == "wrong_password"
        wrong = check(login(odoo.url, database="nope"))

    assert (wrong.outcome, wrong.fact, wrong.version) == ("wrong_database", "nope", "17.0-20240101")


def answering(authenticate: str) -> bytes:
    """An Odoo's answer to ``authenticate``, in XML."""
    return f"<?xml version='1.0'?><methodResponse>{authenticate}</methodResponse>".encode()


def fault(code: object, text: str) -> str:
    return (
        "<fault><value><struct><member><name>faultCode</name><value>"
        f"{code}</value></member><member><name>faultString</name><value><string>{text}</string></value>"
        "</member></struct></value></fault>"
    )


def value(text: str) -> str:
    return f"<params><param><value>{text}</value></param></params>"


VERSION = answering(value("<struct><member><name>server_version</name><value>18.0</value></member></struct>"))


def authenticated(answer: str, version: bytes = VERSION) -> tuple[str, str]:
    """What comes of an Odoo that answers so when we log in, and when we ask for its version."""

    def serve(connection: socket.socket) -> None:
        asked = question(connection)
        connection.sendall(http(version if b"<methodName>version<" in asked else answering(answer)))

    with tcp_server(serve) as port:
        return outcome(f"http://127.0.0.1:{port}")


@pytest.mark.parametrize(
    "text",
    [
        'FATAL:  database "sales" does not exist',
        "FATAL:  no existe la base de datos «sales»",
        "FATAL:  la base de datos «sales» no existe",
        "FATAL:  la base de données « sales » n'existe pas",
        "FATAL:  Datenbank »sales« existiert nicht".replace("»sales«", "„sales“"),
    ],
)
def test_a_missing_database_is_told_in_the_servers_language(text):
    assert authenticated(fault("<int>1</int>", f"Traceback:\npsycopg2.OperationalError: {text}\n")) == (
        "wrong_database",
        "sales",
    )


def test_another_thing_that_is_missing_is_a_fault():
    text = 'File "/srv/sales/x.py"\npsycopg2.errors.UndefinedTable: relation "res_users" does not exist'

    assert authenticated(fault("<int>1</int>", text)) == ("fault", text.splitlines()[1])


def test_access_denied_is_a_wrong_password():
    assert authenticated(fault("<int>3</int>", "Access Denied"))[0] == "wrong_password"


def test_of_a_fault_only_the_last_line_is_kept():
    text = "Traceback (most recent call last):\n  File 1\nKeyError: 'res.users'\n"

    assert authenticated(fault("<int>1</int>", text)) == ("fault", "KeyError: 'res.users'")
    assert authenticated(fault("<int>1</int>", "")) == ("fault", "1")
    assert len(authenticated(fault("<int>1</int>", "x" * 5000))[1]) == 300


def test_a_server_that_repeats_the_password_does_not_put_it_into_our_database():
    assert authenticated(fault("<int>1</int>", "bad call: ann s3cret {}")) == ("fault", "bad call: ann … {}")


def test_a_fault_before_the_login_is_one_too():
    assert said(http(answering(fault("<int>1</int>", "no")))) == ("fault", "no")


@pytest.mark.parametrize("uid", ["<int>-1</int>", "<string>x</string>", "<boolean>1</boolean>", "<array/>"])
def test_a_user_number_is_a_number(uid):
    assert authenticated(value(uid))[0] == NOT_RPC


@pytest.mark.parametrize("uid", ["<boolean>0</boolean>", "<int>0</int>", "<nil/>"])
def test_no_user_number_is_a_wrong_password(uid):
    assert authenticated(value(uid))[0] == "wrong_password"


def test_a_password_that_cannot_be_read_is_not_sent():
    report = check(Login("http://127.0.0.1:1", "sales", "ann", None))

    assert (report.outcome, report.version) == ("unreadable_password", "")


# Servers that cannot be reached


def test_a_port_where_nobody_listens():
    port = free_port()

    assert outcome(f"http://127.0.0.1:{port}") == ("refused", str(port))


def test_a_name_that_nobody_knows(monkeypatch):
    def unknown(*_arguments, **_options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unknown)

    assert outcome("https://nowhere.example") == ("unknown_host", "nowhere.example")


def test_the_first_address_that_answers_is_used(monkeypatch):
    with odoo_server() as odoo:
        port = int(odoo.url.rpartition(":")[2])
        places = [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        ]
        monkeypatch.setattr("socket.getaddrinfo", lambda *_arguments, **_options: places)

        assert outcome(f"http://odoo.example:{port}") == ("ok", "")


def test_a_server_that_hangs_up():
    for serve in (lambda line: None, question, saying(http(b"x" * 100)[:-50])):
        with tcp_server(serve) as port:
            assert outcome(f"http://127.0.0.1:{port}") == ("closed", "")


# Servers that take their time


def drip(piece: bytes, first: bytes = b""):
    """A server that sends a little now and then, so that no time-out of a single read ever ends it."""

    def serve(connection: socket.socket) -> None:
        question(connection)
        connection.sendall(first)
        while True:
            time.sleep(0.05)
            connection.sendall(piece)

    return serve


def hang(connection: socket.socket) -> None:
    time.sleep(5)


BEGUN = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n"


@pytest.mark.parametrize(
    "serve",
    [hang, drip(b"H"), drip(b"X-A: b\r\n", BEGUN), drip(b" ", BEGUN + b"\r\n"),
     drip(b"1\r\n \r\n", BEGUN + b"Transfer-Encoding: chunked\r\n\r\n"),
     drip(b"HTTP/1.1 100 Continue\r\n\r\n")],
    ids=["nothing", "status", "headers", "body", "chunks", "continue"],
)  # fmt: skip
def test_a_server_that_takes_its_time_is_given_up(serve):
    with tcp_server(serve) as port:
        began = time.monotonic()

        assert outcome(f"http://127.0.0.1:{port}", 0.15) == ("timeout", "0.15")
        assert time.monotonic() - began < 3


def test_a_secure_server_that_takes_its_time_is_given_up(trusted):
    def serve(connection: socket.socket) -> None:
        connection.recv(4096)
        for byte in b"\x16\x03\x03\x40\x00" + bytes(1000):  # the head of a long TLS record
            time.sleep(0.05)
            connection.sendall(bytes([byte]))

    for one in (hang, serve):
        with tcp_server(one) as port:
            began = time.monotonic()
            assert outcome(f"https://127.0.0.1:{port}", 0.15) == ("timeout", "0.15")
            assert time.monotonic() - began < 3


def test_a_resolver_that_takes_its_time_is_given_up(monkeypatch):
    monkeypatch.setattr("socket.getaddrinfo", lambda *_arguments, **_options: time.sleep(1))

    assert outcome("http://slow.example", 0.2) == ("timeout", "0.2")


def test_both_questions_share_the_time():
    odoo = Odoo()
    odoo.version = lambda: time.sleep(0.2) or {"server_version": "17.0"}
    odoo.authenticate = lambda *_arguments: time.sleep(0.2) or 7
    with odoo_server(odoo):
        assert outcome(odoo.url, 0.3) == ("timeout", "0.3")


def test_nothing_is_left_behind_by_a_check():
    before = threading.active_count()
    with tcp_server(saying(http(b""))) as port:
        for _ in range(3):
            outcome(f"http://127.0.0.1:{port}")
    deadline = time.monotonic() + 2
    while threading.active_count() > before + 1 and time.monotonic() < deadline:
        time.sleep(0.01)

    assert threading.active_count() <= before + 1  # the servers' own


# Servers that answer something else


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("404 Not Found", ("not_found", "")),
        ("500 Internal Server Error", ("server_error", "500 Internal Server Error")),
        ("502 Bad Gateway", ("server_error", "502 Bad Gateway")),
        ("401 Unauthorized", ("status", "401 Unauthorized")),
        ("403", ("status", "403")),
        ("204 No Content", ("status", "204 No Content")),
        ("302 Found", ("status", "302 Found")),
    ],
)
def test_another_status(status, expected):
    assert said(http(VERSION, status)) == expected


def test_a_web_page():
    for body, kind in (
        (b"<!DOCTYPE html><p>Welcome", "application/octet-stream"),
        (b"\n <HTML>", "text/plain"),
        (VERSION, "text/html"),
        (b"<html>" + b"x" * 500_000, "text/html; charset=utf-8"),
    ):
        assert said(http(body, kind=kind)) == ("html", "")


@pytest.mark.parametrize(
    "body",
    [
        b"", b"pong", b"\0\xff\xfe", b'{"jsonrpc": "2.0"}', b"<methodResponse/>", b"<a><b></a>",
        b"<methodResponse><params/></methodResponse>", answering(value("17.0")), answering(value("<array/>")),
        answering(value("<struct/>")), answering(value("<struct><member/></struct>")),
        answering(value("<int>x</int>")), answering(value(f"<int>{'9' * 5000}</int>")),
        answering(value("<base64>!</base64>")), answering(value("<struct>" * 2000)),
        answering(value("<int>1</int></value><value><int>2</int>")),
        answering(value("<nonsense>1</nonsense>")), answering("<fault><value>x</value></fault>"),
        answering("<fault><value><struct/></value></fault>"),
        b"<?xml version='1.0' encoding='nonsense'?><methodResponse/>",
        "<?xml version='1.0' encoding='utf-16'?>".encode("utf-16"), b"<a>" * 40_000,
    ],
    ids=range(22),
)  # fmt: skip
def test_an_answer_that_is_no_xml_rpc(body):
    assert said(http(body)) == (NOT_RPC, "")


def test_an_answer_that_is_no_http():
    for answer in (b"\r\n\r\n", b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/9.9 x y\r\n\r\n", b"\0" * 70_000):
        assert said(answer) == (NOT_RPC, "")


def with_dtd(*entities: str) -> bytes:
    """An Odoo's answer to ``version``, with a DTD and the entity ``&e;``."""
    dtd = "".join(f"<!ENTITY {entity}>" for entity in entities)
    return f"<!DOCTYPE x [{dtd}]>".encode() + VERSION.partition(b"?>")[2].replace(b"18.0", b"&e;")


def test_a_bomb_of_entities_is_defused():
    assert authenticated(value("<int>7</int>")) == ("ok", "")
    assert authenticated(value("<int>7</int>"), with_dtd("e '18.0'")) == (NOT_RPC, "")
    larger = [f"l{n} '{f'&l{n - 1};' * 10}'" for n in range(1, 12)]
    began = time.monotonic()

    assert said(http(with_dtd("l0 'lol'", *larger, "e '&l11;'"))) == (NOT_RPC, "")
    assert time.monotonic() - began < 3


def test_an_entity_reads_neither_files_nor_addresses():
    hits: list[bytes] = []
    with tcp_server(lambda line: hits.append(line.recv(100))) as port:
        for where in (Path(__file__).as_uri(), f"http://127.0.0.1:{port}/"):
            assert said(http(with_dtd(f"e SYSTEM '{where}'"))) == (NOT_RPC, "")
    assert hits == []


def flood(first: bytes, piece: bytes):
    def serve(connection: socket.socket) -> None:
        question(connection)
        connection.sendall(first)
        while True:
            connection.sendall(piece)

    return serve


@pytest.mark.parametrize(
    "serve",
    [flood(BEGUN + b"\r\n", b" " * 65536),
     flood(BEGUN + b"Content-Length: 99999999999\r\n\r\n", b" " * 65536),
     flood(BEGUN + b"Transfer-Encoding: chunked\r\n\r\n", b"8\r\nxxxxxxxx\r\n" * 1000),
     flood(BEGUN + b"Transfer-Encoding: chunked\r\n\r\nfffffff\r\n", b" " * 65536),
     flood(b"", b"HTTP/1.1 100 Continue\r\nX-A: b\r\n\r\n" * 100)],
    ids=["endless", "huge", "chunks", "chunk", "continue"],
)  # fmt: skip
def test_a_flood_is_not_read_to_its_end(serve):
    with tcp_server(serve) as port:
        began = time.monotonic()

        assert outcome(f"http://127.0.0.1:{port}") == ("too_large", "")
        assert time.monotonic() - began < 4


def test_endless_headers_are_no_http():
    for piece in (b"X-A: b\r\n" * 100, b"x" * 65536):
        with tcp_server(flood(BEGUN, piece)) as port:
            assert outcome(f"http://127.0.0.1:{port}")[0] in (NOT_RPC, "too_large")


def test_what_is_packed_is_not_unpacked():
    assert said(http(gzip.compress(b" " * 10_000_000), Content_Encoding="gzip")) == (NOT_RPC, "")


# Servers that send us elsewhere


def test_a_server_may_send_us_to_another_path_of_its_own():
    with odoo_server(prefix="/erp") as odoo:
        inner = int(odoo.url.removesuffix("/erp").rpartition(":")[2])

        def serve(connection: socket.socket) -> None:
            """Pass on below /erp, and send there from everywhere else."""
            asked = question(connection)
            if not asked.startswith(b"POST /erp"):
                connection.sendall(http(status="308 Permanent Redirect", Location="/erp/xmlrpc/2/common"))
                return
            with socket.create_connection(("127.0.0.1", inner)) as line:
                line.sendall(asked)
                while piece := line.recv(65536):
                    connection.sendall(piece)

        with tcp_server(serve) as port:
            assert outcome(f"http://127.0.0.1:{port}") == ("ok", "")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_server_may_send_us_from_http_to_https_and_the_password_goes_there_alone(trusted, status):
    asked: list[bytes] = []
    with odoo_server(tls=trusted.server()) as odoo:

        def serve(connection: socket.socket) -> None:
            asked.append(question(connection))
            connection.sendall(http(status=f"{status} Moved", Location=f"{odoo.url}/xmlrpc/2/common"))

        with tcp_server(serve) as port:
            assert outcome(f"http://127.0.0.1:{port}") == ("ok", "")
    assert len(asked) == 1
    assert b"s3cret" not in asked[0]


@pytest.mark.parametrize(
    "location",
    ["http://{other}/xmlrpc/2/common", "//{other}/xmlrpc/2/common", "http://localhost:{port}/", "http://127.0.0.1/",
     "https://evil.example/xmlrpc/2/common", "http://127.0.0.1.evil.example:{port}/", "http://127.0.0.1@evil.example/"],
)  # fmt: skip
def test_another_host_is_not_followed(location):
    hits: list[bytes] = []
    with tcp_server(lambda line: hits.append(line.recv(10))) as elsewhere, ExitStack() as stack:
        at: dict[str, int] = {}
        serve = lambda line: saying(  # noqa: E731
            http(status="302 Found", Location=location.format(other=f"127.0.0.1:{elsewhere}", **at))
        )(line)
        at["port"] = port = stack.enter_context(tcp_server(serve))
        found, fact = outcome(f"http://127.0.0.1:{port}")

    assert (found, hits) == ("moved_away", [])
    assert fact.startswith("http")
    assert fact.rpartition("/")[2] in sentence(found, fact)


def test_a_secure_server_is_not_left_for_an_insecure_one(trusted):
    tls = trusted.server()

    def serve(connection: socket.socket) -> None:
        with tls.wrap_socket(connection, server_side=True) as line:
            saying(http(status="301 Moved", Location="http://127.0.0.1:8069/xmlrpc/2/common"))(line)

    with tcp_server(serve) as port:
        assert outcome(f"https://127.0.0.1:{port}") == ("moved_unsafely", "")


def test_a_server_that_sends_us_in_circles():
    assert said(http(status="302 Found", Location="/again")) == ("moved_in_circles", "")


@pytest.mark.parametrize(
    "location", ["ftp://127.0.0.1/", "javascript:alert(1)", "http://[", "/a b", "http://a:b/"]
)
def test_a_place_that_does_not_exist(location):
    assert said(http(status="302 Found", Location=location)) == (NOT_RPC, "")


# TLS


def test_a_certificate_that_this_machine_trusts(trusted):
    with odoo_server(tls=trusted.server()) as odoo:
        assert outcome(odoo.url) == ("ok", "")


@pytest.mark.parametrize(
    ("expected", "options"),
    [
        ("tls_expired", {"since": -3 * DAY, "until": -DAY}),
        ("tls_early", {"since": DAY, "until": 2 * DAY}),
        ("tls_name", {"names": ("odoo.example",)}),
        ("tls_name", {"names": ("10.0.0.1",)}),
    ],
)
def test_each_trouble_with_a_certificate_is_told(trusted, expected, options):
    with odoo_server(tls=trusted.server(**options)) as odoo:
        assert outcome(odoo.url)[0] == expected
    assert odoo.asked == []


def test_a_certificate_that_nobody_vouches_for(trusted, tmp_path):
    with odoo_server(tls=Authority(tmp_path, "unknown").server()) as odoo:
        assert outcome(odoo.url)[0] == "tls_issuer"
    with odoo_server(tls=Authority(tmp_path, "itself").self_signed()) as odoo:
        assert outcome(odoo.url)[0] == "tls_self_signed"


def test_a_server_that_speaks_no_tls(trusted):
    with odoo_server() as odoo:
        assert outcome(odoo.url.replace("http:", "https:")) == ("tls_none", "")
    with tcp_server(lambda line: line.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")) as port:
        assert outcome(f"https://127.0.0.1:{port}") == ("tls_none", "")


def test_an_old_tls_is_told(trusted):
    tls = trusted.server()
    tls.set_ciphers("ALL:@SECLEVEL=0")
    tls.maximum_version = ssl.TLSVersion.TLSv1_1
    with odoo_server(tls=tls) as odoo:
        found, fact = outcome(odoo.url)

    assert found == "tls"
    assert fact  # in OpenSSL's words, which not every Python passes on


def test_a_secure_server_that_hangs_up(trusted):
    tls = trusted.server()

    def in_the_middle(connection: socket.socket) -> None:
        with tls.wrap_socket(connection, server_side=True) as line:
            saying(http(b"x" * 100)[:-50])(line)

    for serve in (lambda line: None, lambda line: line.recv(4096), in_the_middle):
        with tcp_server(serve) as port:
            assert outcome(f"https://127.0.0.1:{port}") == ("closed", "")


# Ourselves


def test_a_bug_of_ours_is_a_report_too(monkeypatch, caplog):
    monkeypatch.setattr(client.Server, "ask_version", lambda self: 1 / 0)

    assert check(login("http://127.0.0.1:1")).outcome == "bug"
    assert "ZeroDivisionError" in caplog.text
    assert "s3cret" not in caplog.text


def test_every_trouble_has_its_sentence_and_no_two_are_alike(app):
    folder = Path(app.root_path) / "blueprints" / "odoo"
    source = "".join(file.read_text() for file in folder.glob("*.py"))
    named = set(re.findall(r'Trouble\("(\w+)"', source)) | set(connection.CERTIFICATE_TROUBLES.values())

    assert named | {"ok", "wrong_password", "bug"} == set(SENTENCES)
    assert max(map(len, SENTENCES)) <= 20
    for language in ("en", "es"):
        with app.test_request_context(headers={"Accept-Language": language}):
            sentences = {outcome: sentence(outcome, "100%") for outcome in SENTENCES}
        assert len(set(sentences.values())) == len(SENTENCES)
    assert all(text.endswith((".", "?", "100%")) for text in sentences.values())
