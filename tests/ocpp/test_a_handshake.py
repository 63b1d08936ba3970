"""A: the handshake (ocpp.md A1 to A3): subprotocols, malformed upgrades, paths and hosts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from tests.ocpp import answers
from tests.ocpp.charge_point import ChargePoint, Refused, new_id
from tests.ocpp.staff import Api
from tests.servers import RunningServer

Connect = Callable[..., ChargePoint]
Rows = Callable[..., list[dict[str, Any]]]


def refusal(server: RunningServer, path: str = "/CP", **options: Any) -> Refused:
    """How a handshake is refused."""
    with pytest.raises(Refused) as caught:
        ChargePoint(server.port, path, **options)
    return caught.value


def is_served(charger: ChargePoint) -> bool:
    """Whether the socket speaks OCPP."""
    return bool(answers.result("Heartbeat", charger.ask("Heartbeat")))


@pytest.mark.parametrize(
    "offered",
    [("ocpp1.6",), ("ocpp2.0.1", "ocpp1.6"), ("ocpp1.6", "ocpp2.1", "ocpp1.5"), ("a", "b", "ocpp1.6")],
)
def test_a1_ocpp16_is_accepted_alone_or_among_others(
    server: RunningServer, connect: Connect, offered: Any
) -> None:
    charger = connect(server, f"/{new_id()}", subprotocols=offered)

    assert charger.headers["sec-websocket-protocol"] == "ocpp1.6"
    assert is_served(charger)


@pytest.mark.parametrize("version", ["8", "12", "14", "13.0", "", None])
def test_a1_another_websocket_version_is_refused_with_426(server: RunningServer, version: str | None) -> None:
    refused = refusal(server, headers={"Sec-WebSocket-Version": version})

    assert refused.status == 426
    assert refused.headers["sec-websocket-version"] == "13"


@pytest.mark.parametrize("key", [None, "", "short", "AAAAAAAAAAAAAAAAAAAAAA", "!" * 24, "A" * 64])
def test_a1_a_missing_or_malformed_key_is_refused_with_400(server: RunningServer, key: str | None) -> None:
    assert refusal(server, headers={"Sec-WebSocket-Key": key}).status == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Connection": None}, 400),
        ({"Connection": "keep-alive"}, 400),
        ({"Host": None}, 400),
        ({"Upgrade": "h2c"}, 404),
    ],
)
def test_a1_an_upgrade_without_its_fields_is_refused(
    server: RunningServer, headers: Any, status: int
) -> None:
    assert refusal(server, headers=headers).status == status


@pytest.mark.parametrize("method", ["POST", "OPTIONS", "PUT"])
def test_a1_only_a_get_opens_a_socket(server: RunningServer, rows: Rows, method: str) -> None:
    id = new_id()

    assert refusal(server, f"/{id}", method=method).status == 405
    assert not rows("SELECT id FROM charger WHERE charger_id = ?", id)


@pytest.mark.parametrize(
    "fields", [{"Connection": "keep-alive, Upgrade"}, {"Upgrade": "WebSocket"}, {"Connection": "UPGRADE"}]
)
def test_a1_the_fields_are_read_as_http_reads_them(
    server: RunningServer, connect: Connect, fields: Any
) -> None:
    assert is_served(connect(server, f"/{new_id()}", headers=fields))


@pytest.mark.parametrize("path", ["/CP-1", "/ocpp/CP-1", "/ocpp/nothing/here/"])
def test_a1_an_ordinary_get_of_such_a_path_is_404(server: RunningServer, api: Api, path: str) -> None:
    assert refusal(server, path, headers={"Upgrade": None, "Connection": None}).status == 404
    assert api.get(path)[0] == 404


def test_a1_compression_is_not_agreed_on(server: RunningServer, connect: Connect) -> None:
    offer = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
    charger = connect(server, f"/{new_id()}", headers=offer)

    assert "sec-websocket-extensions" not in charger.headers
    assert is_served(charger)


def test_a2_only_unknown_subprotocols_are_accepted_without_one_and_closed(
    server: RunningServer, rows: Rows
) -> None:
    id = new_id()
    charger = ChargePoint(server.port, f"/{id}", subprotocols=("ocpp2.0.1", "ocpp1.5"))

    assert "sec-websocket-protocol" not in charger.headers
    assert charger.closed(2.0).code == 1002
    assert not rows("SELECT id FROM charger WHERE charger_id = ?", id)


@pytest.mark.parametrize("offered", [None, ()])
def test_a2_without_a_subprotocol_16_is_served_and_noted(
    server: RunningServer, connect: Connect, rows: Rows, offered: Any
) -> None:
    id = new_id()
    charger = connect(server, f"/{id}", subprotocols=offered)

    assert "sec-websocket-protocol" not in charger.headers
    assert is_served(charger)
    assert rows("SELECT subprotocol FROM charger WHERE charger_id = ?", id) == [{"subprotocol": ""}]


def test_a2_the_subprotocol_is_noted_on_the_charger(
    server: RunningServer, connect: Connect, rows: Rows
) -> None:
    id = new_id()
    connect(server, f"/{id}")

    assert rows("SELECT subprotocol FROM charger WHERE charger_id = ?", id) == [{"subprotocol": "ocpp1.6"}]


@pytest.mark.parametrize(
    ("path", "id"),
    [
        ("/{}", "{}"), ("/{}/", "{}"), ("//{}", "{}"), ("/ocpp//{}//", "{}"), ("/a/b/c/d/e/f/{}", "{}"),
        ("/steve/websocket/CentralSystemService/{}", "{}"), ("/{}?token=a/b", "{}"), ("/{}/?x=/y/", "{}"),
        ("/{}:1", "{}:1"), ("/DE*ICE*{}", "DE*ICE*{}"), ("/{}.a.b", "{}.a.b"), ("/a%20b{}", "a b{}"),
        ("/a%23{}", "a#{}"), ("/a%2F{}", "a/{}"), ("/a%3F{}", "a?{}"), ("/a%25{}", "a%{}"),
        ("/%C3%A9%E2%82%AC{}", "é€{}"), ("/%F0%9F%94%8C{}", "🔌{}"), ("/{}%", "{}%"),
        ("/{};v=1", "{};v=1"), ("/http://x/{}", "{}"),
    ],
)  # fmt: skip
def test_a3_the_last_segment_decoded_is_the_id(
    server: RunningServer, connect: Connect, api: Api, path: str, id: str
) -> None:
    unique = new_id()
    charger = connect(server, path.format(unique))

    assert is_served(charger)
    known = {
        charger["charger_id"]: charger for charger in api.get("/ocpp/chargers/?per_page=1000")[1]["chargers"]
    }
    assert known[id.format(unique)]["connected"]


@pytest.mark.parametrize(
    "path",
    [
        "/ocpp/chargers", "/ocpp/chargers/{}/", "/ocpp/chargers/x/action/", "/admin", "/admin/", "/static/{}",
        "/login/", "/ocpp/c/{}/", "/healthz", "/api/docs", "/accounts/rfid-login/", "/ws/{}", "/ws/echo/{}",
    ],
)  # fmt: skip
def test_a3_an_upgrade_on_a_pages_path_is_a_charger(
    server: RunningServer, connect: Connect, path: str
) -> None:
    assert is_served(connect(server, path.format(new_id())))


@pytest.mark.parametrize(
    "host",
    [
        "localhost:{}",
        "ocpp.localhost:{}",
        "accounts.localhost:{}",
        "charge.example.com",
        "[::1]:{}",
        "10.0.0.5",
        "X_y",
    ],
)
def test_a3_every_host_name_and_subdomain_serves(server: RunningServer, connect: Connect, host: str) -> None:
    assert is_served(connect(server, f"/{new_id()}", host=host.format(server.port)))


@pytest.mark.parametrize("path", ["/ws/echo/", "/ws/echo"])
def test_a3_the_echo_socket_still_echoes(server: RunningServer, connect: Connect, path: str) -> None:
    socket = connect(server, path, subprotocols=None)
    socket.send("hello é")

    assert socket.receive() == "hello é"


@pytest.mark.parametrize("letter", ["a", "é", "🔌"])
def test_a3_a_hundred_characters_are_an_id_and_one_more_is_not(
    server: RunningServer, connect: Connect, letter: str
) -> None:
    assert is_served(connect(server, "/ocpp/" + quote(letter * 100)))
    assert refusal(server, "/ocpp/" + quote(letter * 101)).status == 400


@pytest.mark.parametrize(
    "path",
    [
        "/", "//", "/?id=CP", "/%20", "/%20%20/", "/.", "/ocpp/..", "/a%00b", "/a%0Ab", "/a%0D%0Ab", "/a%09",
        "/a%7F", "/a%C2%85", "/a%1Bb", "/x%00y/CP", "/%FF%FE", "/%C3", "/%ED%A0%80",
    ],
)  # fmt: skip
def test_a3_an_empty_id_or_control_characters_are_refused_with_400(server: RunningServer, path: str) -> None:
    assert refusal(server, path).status == 400


def test_a3_a_refusal_is_a_short_sentence_in_plain_text(server: RunningServer) -> None:
    refused = refusal(server, "/")

    assert refused.headers["content-type"].startswith("text/plain")
    assert len(refused.body) < 200
