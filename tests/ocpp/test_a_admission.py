"""A: who may come in (ocpp.md A4, A5): registration, blocking, origins, keys."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.blueprints.ocpp.models import Charger
from tests.clients import Browser
from tests.ocpp import handshake
from tests.ocpp.charge_point import ChargePoint, new_id
from tests.ocpp.staff import answer, known, read
from tests.ocpp.test_a_handshake import Connect, Rows, is_served, refusal
from tests.servers import RunningServer

KEY = "a key of 16 to 40 characters"


# A4: known, unknown, blocked, foreign


def test_a4_an_unknown_id_is_created(server: RunningServer, connect: Connect, rows: Rows) -> None:
    id = new_id()
    connect(server, f"/ocpp/site%201/{id}/")

    (row,) = rows("SELECT * FROM charger WHERE charger_id = ?", id)
    assert (row["last_path"], row["last_address"]) == (f"/ocpp/site 1/{id}/", "127.0.0.1")
    assert (row["registration_status"], row["blocked"], row["require_rfid"]) == ("Accepted", 0, 0)


def test_a4_with_registration_off_an_unknown_id_is_404(closed_server: RunningServer) -> None:
    id = new_id()

    assert refusal(closed_server, f"/{id}").status == 404
    assert not read(closed_server, "SELECT id FROM charger WHERE charger_id = ?", id)


def test_a4_with_registration_off_a_known_one_is_served(
    closed_server: RunningServer, connect: Connect
) -> None:
    assert is_served(connect(closed_server, f"/{known(closed_server)}"))


def test_a4_a_blocked_charger_is_403(server: RunningServer) -> None:
    assert refusal(server, f"/{known(server, blocked=1)}").status == 403


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "https://evil.example:443", "null", "http://127.0.0.1:1"]
)
def test_a4_a_foreign_browser_is_403(server: RunningServer, origin: str) -> None:
    assert refusal(server, f"/{new_id()}", origin=origin).status == 403


@pytest.mark.parametrize(
    "origin", ["http://127.0.0.1:{port}", "HTTPS://127.0.0.1:{port}", "http://127.0.0.1", "file://"]
)
def test_a4_our_own_pages_and_the_libraries_of_chargers_may(
    server: RunningServer, connect: Connect, origin: str
) -> None:
    assert is_served(connect(server, f"/{new_id()}", origin=origin.format(port=server.port)))


@pytest.mark.parametrize("origin", ["https://hmi.example", "http://10.0.0.9:81"])
def test_a4_an_allowed_origin_may(closed_server: RunningServer, connect: Connect, origin: str) -> None:
    assert is_served(connect(closed_server, f"/{known(closed_server)}", origin=origin))
    assert refusal(closed_server, f"/{known(closed_server)}", origin="https://hmi.example.evil").status == 403


@pytest.mark.parametrize("offered", [None, ("ocpp2.0.1",)])
def test_a2_a_required_subprotocol_is_required(closed_server: RunningServer, offered: Any) -> None:
    assert refusal(closed_server, f"/{known(closed_server)}", subprotocols=offered).status == 400


# A5: keys (security profile 1)


@pytest.mark.parametrize(
    "key",
    [
        KEY, "0123456789abcdef", "x" * 40, "with:colons::in:it:", ":starts with a colon",
        "ends with a colon:", bytes(range(128, 168)), b"\x00\x01\xff\xfe:\r\n\t raw bytes",
        "ünïcödé kéys wörk töö",
    ],
)  # fmt: skip
def test_a5_tc_085_the_right_key_is_served(server: RunningServer, connect: Connect, key: str | bytes) -> None:
    """TC_085_CSMS: Basic Authentication, valid username/password combination."""
    id = known(server, key)

    assert is_served(connect(server, f"/{id}", auth=(id, key)))
    assert refusal(server, f"/{id}", auth=(id, key[1:])).status == 401


@pytest.mark.parametrize(
    "key", ["4F43415F4F4354545F61646D696E5F74657374", "4f43415f4f4354545f61646d696e5f74657374"]
)
def test_a5_tc_085_a_key_set_in_hexadecimal_is_sent_as_its_bytes(
    server: RunningServer, connect: Connect, key: str
) -> None:
    id = known(server, key)

    assert is_served(connect(server, f"/{id}", auth=(id, bytes.fromhex(key))))
    assert is_served(connect(server, f"/{id}", auth=(id, key)))


def test_a5_an_id_with_colons_has_a_key_too(server: RunningServer, connect: Connect) -> None:
    id = known(server, "a:key:with:colons:too", charger_id=f"DE:ICE:{new_id()}")

    assert is_served(connect(server, f"/{id}", auth=(id, "a:key:with:colons:too")))


@pytest.mark.parametrize(
    "auth",
    [
        None,
        ("{id}", ""),
        ("{id}", "wrong" * 5),
        ("{id}x", KEY),
        ("", KEY),
        ("admin", KEY),
        ("{id}", KEY.upper()),
    ],
)
def test_a5_a_wrong_or_missing_key_is_401(server: RunningServer, auth: tuple[str, str] | None) -> None:
    id = known(server, KEY)
    refused = refusal(server, f"/{id}", auth=auth and (auth[0].format(id=id), auth[1]))

    assert refused.status == 401
    assert refused.headers["www-authenticate"].startswith("Basic ")


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !!!", "Basic =", "Bearer {}", "{}", "Digest {}", "Basic {}é", "Basic Og=="]
)
def test_a5_a_malformed_authorization_is_401(server: RunningServer, header: str) -> None:
    id = known(server, KEY)
    good = handshake.basic(id, KEY).removeprefix("Basic ")

    assert refusal(server, f"/{id}", headers={"Authorization": header.format(good)}).status == 401


def test_a5_the_scheme_is_read_without_case(server: RunningServer, connect: Connect) -> None:
    id = known(server, KEY)

    assert is_served(
        connect(server, f"/{id}", headers={"Authorization": handshake.basic(id, KEY).replace("B", "b", 1)})
    )


def test_a5_a_key_is_stored_as_a_hash_and_never_logged(server: RunningServer, rows: Rows) -> None:
    id = known(server, "never to be written anywhere")
    refusal(server, f"/{id}", auth=(id, "this wrong one neither"))
    ChargePoint(server.port, f"/{id}", auth=(id, "never to be written anywhere")).close()

    written = server.output + "".join(file.read_text() for file in server.logs.glob("*.log"))
    assert f"wrong key for charger {id}" in written
    assert "never to be written" not in written
    assert "this wrong one" not in written
    assert handshake.basic(id, KEY)[6:30] not in written
    (row,) = rows("SELECT auth_key_hash FROM charger WHERE charger_id = ?", id)
    assert row["auth_key_hash"].startswith("blake2b$")


def test_a5_failed_tries_are_limited_per_address(server: RunningServer, connect: Connect) -> None:
    id, neighbour = known(server, KEY), known(server, KEY)
    tries = [answer(server, f"/{id}", auth=(id, f"guess {n}"), source="127.0.0.7") for n in range(40)]

    assert tries[0] == 401
    assert tries[-1] == 429
    assert answer(server, f"/{id}", auth=(id, KEY), source="127.0.0.7") == 429
    # Neither another address nor another charger behind the same one has to wait.
    assert is_served(connect(server, f"/{id}", auth=(id, KEY), source="127.0.0.8"))
    assert is_served(connect(server, f"/{neighbour}", auth=(neighbour, KEY), source="127.0.0.7"))


@pytest.mark.parametrize("overrides", [{"OCPP_REQUIRE_KEY": True}])
@pytest.mark.parametrize("auth", [None, ("CP-1", KEY)])
def test_a5_where_keys_are_required_no_stranger_comes_in(client: Browser, work: Session, auth: Any) -> None:
    fields = handshake.fields("localhost", ("ocpp1.6",), "", auth)
    response = client.get("/CP-1", headers={name: text for name, text in fields.items() if text})

    assert response.status_code == 401
    assert work.scalar(select(Charger)) is None


def test_a5_profile_2_the_address_comes_from_a_trusted_proxy(
    closed_server: RunningServer, connect: Connect
) -> None:
    id = known(closed_server, KEY)
    proxied = {
        "X-Forwarded-For": "6.6.6.6, 203.0.113.5",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "cs.example",
    }
    charger = connect(closed_server, f"/{id}", auth=(id, KEY), headers=proxied, origin="https://cs.example")

    assert is_served(charger)
    (row,) = read(closed_server, "SELECT last_address FROM charger WHERE charger_id = ?", id)
    assert row["last_address"] == "203.0.113.5"


def test_a5_an_untrusted_forwarded_address_is_not_believed(
    server: RunningServer, connect: Connect, rows: Rows
) -> None:
    id = new_id()
    connect(server, f"/{id}", headers={"X-Forwarded-For": "203.0.113.5"})

    assert rows("SELECT last_address FROM charger WHERE charger_id = ?", id)[0]["last_address"] == "127.0.0.1"
