"""Everybody at once: after a power cut all chargers connect, and at a restart all are told to come back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scripts.benchmark.load import Load
from tests.ocpp.charge_point import CLOSE, ChargePoint, new_id
from tests.ocpp.crowd import Place, place
from tests.ocpp.staff import Api, make_token

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

CROWD = 1500
# Generous: two processors that others use as well.
IN_TIME_S = 60.0
ENDS_IN_S = 5.0


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with place(request.param, tmp_path) as found:
        found.server.start()
        yield found


def test_everybody_connects_at_once_and_again_after_a_power_cut(where: Place) -> None:
    with Load(where.server.port, CROWD) as load:
        first = load.connect(timeout_s=120, together=None)
        load.drop()
        again = load.connect(timeout_s=120, together=None)
        assert (first.served, again.served) == (CROWD, CROWD)
        assert first.seconds < IN_TIME_S
        assert again.seconds < IN_TIME_S
        assert not load.ledger.errors
        assert load.ledger.calls == 4 * CROWD

        began = time.monotonic()
        process = where.server.process
        assert process is not None
        process.terminate()
        while load.connected and time.monotonic() < began + 10:
            load.idle(0.1)
        assert process.wait(10) == 0
        took = time.monotonic() - began
        assert dict(load.ledger.errors) == {"lost a charger: closed by the server with 1001": CROWD}
        assert took < ENDS_IN_S
        assert len(where.query("SELECT id FROM charger")) == CROWD
        stored = where.query(
            "SELECT count(*) FROM ocpp_message WHERE direction = 'in' AND answer IS NOT NULL"
        )
        assert stored == [(4 * CROWD,)]


def test_sigterm_does_not_wait_for_those_who_do_not_say_goodbye(tmp_path: Path) -> None:
    with place("sqlite", tmp_path) as where:
        where.server.start()
        silent = [ChargePoint(where.server.port, f"/ocpp/{new_id()}") for _ in range(20)]
        process = where.server.process
        assert process is not None
        began = time.monotonic()
        process.terminate()
        assert [ending_of(point) for point in silent] == [1001] * 20
        assert process.wait(10) == 0
        assert time.monotonic() - began < ENDS_IN_S


def ending_of(point: ChargePoint) -> int:
    """The code of the goodbye, which is not answered; the socket stays open."""
    opcode, payload = point.receive_frame()
    assert opcode == CLOSE
    return int.from_bytes(payload[:2], "big")


def test_sigterm_ends_who_waits_for_a_charger_or_follows_a_page(tmp_path: Path) -> None:
    with place("sqlite", tmp_path) as where, ThreadPoolExecutor() as pool:
        where.server.start()
        api = Api(where.server, make_token(where.server))
        id = new_id()
        with ChargePoint(where.server.port, f"/ocpp/{id}") as point:
            assert point.ask("Heartbeat")[0] == 3
            told = pool.submit(api.action, id, "reset")
            followed = pool.submit(api.get, "/ocpp/events/")
            point.next_call("Reset")
            process = where.server.process
            assert process is not None
            began = time.monotonic()
            process.terminate()
            assert told.result() == (404, {"detail": "no connection"})
            assert followed.exception() or followed.result()
            assert process.wait(10) == 0
            assert time.monotonic() - began < ENDS_IN_S
        with pytest.raises(OSError, match="refused"):
            ChargePoint(where.server.port, f"/ocpp/{id}")
