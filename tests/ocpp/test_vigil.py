"""A web process says that it listens, and who is there though they say nothing."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.blueprints.ocpp.models import Charger
from app.blueprints.ocpp.vigil import note_heard
from tests.databases import both_databases
from tests.ocpp.charge_point import ChargePoint, new_id
from tests.ocpp.drivers import stored
from tests.ocpp.rules import Clock, Site
from tests.ocpp.staff import eventually, read, write
from tests.servers import RunningServer, running_server


def test_a_web_process_says_that_it_lives(server: RunningServer) -> None:
    eventually(lambda: read(server, "SELECT * FROM work_process WHERE kind = 'web'"), 20)


@pytest.mark.slow
def test_a_web_process_lives_from_its_start_to_its_end(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        eventually(lambda: read(server, "SELECT * FROM work_process"))
        (row,) = read(server, "SELECT * FROM work_process")
        assert row["kind"] == "web"
        server.stop()
        assert read(server, "SELECT * FROM work_process") == []


@both_databases
def test_a_connected_charger_that_says_nothing_is_heard_of(site: Site, clock: Clock) -> None:
    quiet, talking, gone = (site.charger(name) for name in ("Q", "T", "G"))
    for charger in (quiet, talking, gone):
        charger.ask("Heartbeat")
    clock.advance(minutes=5)
    talking.ask("Heartbeat")
    spoke_at = site.one(Charger, charger_id="T").last_seen
    clock.advance(minutes=2)

    site.journal.perform(lambda work: note_heard(work, [quiet.id, talking.id]))

    now = clock()
    assert now - site.one(Charger, charger_id="Q").last_seen < timedelta(minutes=1)
    assert site.one(Charger, charger_id="T").last_seen == spoke_at
    assert now - site.one(Charger, charger_id="G").last_seen > timedelta(minutes=6)
    assert site.one(Charger, charger_id="Q").last_heartbeat < now - timedelta(minutes=6)


@pytest.mark.slow
def test_a_charger_with_a_rare_heartbeat_stays_heard_of(server: RunningServer) -> None:
    id = new_id()
    with ChargePoint(server.port, f"/ocpp/{id}") as point:
        assert point.ask("Heartbeat")[0] == 3
        ago = stored(datetime.now(UTC) - timedelta(minutes=7))
        write(server, "UPDATE charger SET last_seen = ? WHERE charger_id = ?", ago, id)
        deadline = time.monotonic() + 75
        while read(server, "SELECT last_seen FROM charger WHERE charger_id = ?", id)[0]["last_seen"] == ago:
            assert time.monotonic() < deadline
            point.is_silent(1.0)  # pings are answered
