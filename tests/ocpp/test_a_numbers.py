"""A: how many may come in (ocpp.md A7's caps, A8): sockets per process and address, new ids per hour."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.ocpp.charge_point import ChargePoint, Refused, new_id
from tests.ocpp.conftest import MAX_CHARGERS, MAX_PER_ADDRESS, NEW_PER_HOUR
from tests.ocpp.staff import Api, answer, eventually, known, read
from tests.ocpp.test_a_handshake import Connect, is_served
from tests.servers import RunningServer

SITE = "127.0.0.50"


def fill(server: RunningServer, opened: list[ChargePoint], sources: list[str]) -> list[int]:
    """Call from these addresses at once, each as another known charger; return the answers, sorted."""
    ids = [known(server) for _ in sources]

    def call(id: str, source: str) -> int:
        try:
            opened.append(ChargePoint(server.port, f"/{id}", source=source))
        except Refused as refused:
            return refused.status
        return 101

    with ThreadPoolExecutor(len(sources)) as pool:
        return sorted(pool.map(call, ids, sources))


@pytest.fixture
def opened(closed_server: RunningServer) -> Iterator[list[ChargePoint]]:
    """Sockets of a test; the next one finds the server empty."""
    found: list[ChargePoint] = []
    yield found
    for charger in found:
        charger.close()


def free(server: RunningServer, source: str = "127.0.0.1") -> Callable[[], bool]:
    """Whether there is room again."""
    id = known(server)
    return lambda: answer(server, f"/{id}", source=source) == 101


def test_a7_the_cap_per_process_answers_503_to_the_rest(closed_server: RunningServer, opened: Any) -> None:
    eventually(free(closed_server))
    statuses = fill(closed_server, opened, [f"127.0.0.{20 + n}" for n in range(24)])

    assert statuses == [101] * MAX_CHARGERS + [503] * (24 - MAX_CHARGERS)
    opened.pop().close()
    eventually(free(closed_server, "127.0.0.90"))


def test_a7_the_cap_per_address_answers_503_and_a_reconnect_takes_its_own_place(
    closed_server: RunningServer, opened: Any, connect: Connect
) -> None:
    eventually(free(closed_server))
    statuses = fill(closed_server, opened, ["127.0.0.60"] * 8)

    assert statuses == [101] * MAX_PER_ADDRESS + [503] * (8 - MAX_PER_ADDRESS)
    assert is_served(connect(closed_server, f"/{known(closed_server)}", source="127.0.0.61"))


def test_a8_new_ids_are_capped_per_address_and_hour(wary_server: RunningServer, connect: Connect) -> None:
    ids = [new_id() for _ in range(NEW_PER_HOUR + 1)]

    assert [answer(wary_server, f"/{id}", source=SITE) for id in ids] == [101] * NEW_PER_HOUR + [429]
    assert not read(wary_server, "SELECT id FROM charger WHERE charger_id = ?", ids[-1])
    assert is_served(connect(wary_server, f"/{ids[0]}", source=SITE))  # it is not new any more
    assert is_served(connect(wary_server, f"/{ids[-1]}", source="127.0.0.51"))


def test_a8_by_default_a_site_behind_one_address_starts_at_once(server: RunningServer, api: Api) -> None:
    """200 handshakes in parallel, and the pages have their database still."""
    ids = [new_id("SITE") for _ in range(200)]
    with ThreadPoolExecutor(100) as pool:
        chargers = list(pool.map(lambda id: ChargePoint(server.port, f"/site/{id}", timeout=30), ids))

    assert all(is_served(charger) for charger in chargers)
    page = api.get("/ocpp/chargers/?per_page=1000")[1]["chargers"]
    assert {charger["charger_id"] for charger in page if charger["connected"]} >= set(ids)
    for charger in chargers:
        charger.hang_up()
