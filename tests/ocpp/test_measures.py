"""What is counted on the message path: exactly what happened, whichever of several processes is asked."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis as redis_client
from prometheus_client.parser import text_string_to_metric_families

from app.blueprints.ocpp.bus import Bus
from app.blueprints.ocpp.tally import SECONDS, SIZES, SUMS, WAITING, Shared, Tally
from tests.ocpp.charge_point import ChargePoint, new_id
from tests.ocpp.conftest import Connect
from tests.ocpp.staff import Api, eventually, make_token
from tests.servers import RunningServer, running_server

BOOT = {"chargePointVendor": "Acme", "chargePointModel": "One"}


def numbers(server: RunningServer, token: str) -> dict[tuple[str, ...], float]:
    """(name, labels …) → value."""
    request = urllib.request.Request(f"{server.url}/metrics", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read().decode()
    return {
        (sample.name.removeprefix("constellation_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def grown(
    before: dict[tuple[str, ...], float], after: dict[tuple[str, ...], float], *name: str
) -> dict[tuple[str, ...], float]:
    """Labels → how much a counter has grown, where it has."""
    found = {key[len(name) :]: after[key] - before.get(key, 0) for key in after if key[: len(name)] == name}
    return {labels: count for labels, count in found.items() if count}


def test_messages_batches_and_commands_are_counted(
    server: RunningServer, connect: Connect, api: Api, api_token: str
) -> None:
    before, id = numbers(server, api_token), new_id()
    charger = connect(server, f"/ocpp/{id}")
    charger.ask("BootNotification", BOOT)
    for _ in range(3):
        charger.ask("Heartbeat", {})
    charger.ask("Nonsense", {})
    charger.ask("MeterValues", [])
    with charger.serving({"ClearCache": {"status": "Accepted"}}):
        assert api.action(id, "clear_cache")[0] == 200
    with charger.serving({}):
        assert api.action(id, "reset", timeout=1)[0] in (502, 504)
    assert api.action("nobody", "reset")[0] == 404

    after = eventually(lambda: complete(numbers(server, api_token), before))
    assert grown(before, after, "messages_total") == {
        ("BootNotification", "ok"): 1,
        ("Heartbeat", "ok"): 3,
        ("MeterValues", "FormationViolation"): 1,
        ("other", "NotImplemented"): 1,
    }
    assert grown(before, after, "chargers_connected") == {(): 1}
    (batches,) = grown(before, after, "batch_seconds_count").values()
    assert batches == grown(before, after, "batch_operations_count")[()]
    assert grown(before, after, "batch_operations_sum")[()] >= batches >= 6
    assert after["batch_seconds_bucket", "+Inf"] == after["batch_seconds_count",]
    assert after["batch_seconds_sum",] > before["batch_seconds_sum",]
    assert after["journal_waiting",] >= 0


def complete(
    found: dict[tuple[str, ...], float], before: dict[tuple[str, ...], float]
) -> dict[tuple[str, ...], float]:
    """What was found, once the records of the commands are in it."""
    return found if sum(grown(before, found, "commands_total").values()) == 3 else {}


@pytest.mark.parametrize("size", [1, 3, 500, 501])
def test_batches_fall_under_the_first_bound_that_holds_them(size: int) -> None:
    tally = Tally()
    tally.batch(size, size / 1000)

    assert tally.counts["batch size", next((i for i, b in enumerate(SIZES) if size <= b), len(SIZES))] == 1
    where = next((i for i, b in enumerate(SECONDS) if size / 1000 <= b), len(SECONDS))
    assert tally.counts["batch time", where] == 1
    assert (tally.counts["batched",], tally.counts["batch us",]) == (size, size * 1000)


# Several processes


@pytest.fixture
def processes(redis_url: str) -> list[tuple[Tally, Shared]]:
    """The ends of two processes."""
    made = []
    for waiting in (2, 3):
        tally = Tally()
        made.append((tally, Shared(tally, Bus(redis_url), lambda waiting=waiting: waiting)))
    return made


@pytest.mark.redis
def test_whichever_process_is_asked_tells_the_sum(processes: list[tuple[Tally, Shared]]) -> None:
    (here, one), (there, two) = processes
    here.message("Heartbeat", "ok")
    there.message("Heartbeat", "ok")
    there.command("Reset", "answered")
    two.share()

    assert one.read() == ({("message", "Heartbeat", "ok"): 2, ("command", "Reset", "answered"): 1}, 5)
    here.message("Heartbeat", "ok")
    assert one.read() == one.read()
    assert two.read()[0]["message", "Heartbeat", "ok"] == 3


@pytest.mark.redis
def test_a_process_that_ends_takes_nothing_back(
    processes: list[tuple[Tally, Shared]], redis_url: str
) -> None:
    (_, one), (there, two) = processes
    there.message("Heartbeat", "ok")
    two.close()
    assert one.read() == ({("message", "Heartbeat", "ok"): 1}, 2)

    with redis_client.Redis.from_url(redis_url) as client:  # one that was killed a while ago
        client.hset(WAITING, "killed", "7 1.0")
        assert one.read()[1] == 2
        assert not client.hexists(WAITING, "killed")
        assert client.hlen(SUMS) == 1


def test_without_redis_a_process_tells_its_own() -> None:
    tally = Tally()
    tally.message("Heartbeat", "ok")

    for bus in (None, Bus("redis://127.0.0.1:1/0")):
        assert Shared(tally, bus, lambda: 4).read() == ({("message", "Heartbeat", "ok"): 1}, 4)


@pytest.fixture
def two_workers(tmp_path: Path, redis_url: str) -> Iterator[RunningServer]:
    """One server with two web processes."""
    with running_server(tmp_path, WEB_CONCURRENCY="2", REDIS_URL=redis_url) as running:
        yield running


@pytest.mark.slow
@pytest.mark.redis
def test_two_web_processes_tell_the_same(two_workers: RunningServer) -> None:
    token = make_token(two_workers)
    chargers = [ChargePoint(two_workers.port, f"/ocpp/{new_id()}") for _ in range(20)]
    for charger in chargers:
        charger.ask("BootNotification", BOOT)
        charger.ask("Heartbeat", {})

    def told() -> set[tuple[float, float]]:
        seen = [numbers(two_workers, token) for _ in range(10)]  # of either process
        return {
            (found["chargers_connected",], found.get(("messages_total", "Heartbeat", "ok"), 0))
            for found in seen
        }

    eventually(lambda: told() == {(20, 20)}, seconds=30)
    for charger in chargers:
        charger.hang_up()
    eventually(lambda: told() == {(0, 20)}, seconds=30)
