"""Chargers that do anything in any order, compared with a simple model; and messages of pure nonsense."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.blueprints.accounts.models import Account
from app.blueprints.ocpp.models import MeterReading, OcppMessage, OddStop, Transaction
from app.blueprints.ocpp.wire import V16
from app.clock import utcnow
from tests.databases import both_databases
from tests.ocpp import answers
from tests.ocpp.rules import ChargePoint, Site, element, iso, sample

pytestmark = both_databases
TAGS = ("CAFE", "BABE", "FLEET", "STRANGER", "POOR")
STEPS = 150


@dataclass
class Expected:
    """What the model knows of a transaction."""

    charger: int
    connector: int
    start: tuple[Any, ...]
    meter_start: int
    started_at: datetime
    account: int | None
    meter_last: int | None = None
    energy: int = 0
    running: bool = True
    # Ended without the charger's word: its own stop still counts.
    provisional: bool = False
    late: bool = False

    def take(self, register: int) -> None:
        if self.running and register >= (self.meter_start if self.meter_last is None else self.meter_last):
            self.meter_last, self.energy = register, register - self.meter_start

    def end(self, meter_stop: int | None, provisional: bool = False) -> None:
        if not (self.running or (self.provisional and not provisional)):
            return
        last = self.meter_start if self.meter_last is None else self.meter_last
        counted = meter_stop if meter_stop is not None and meter_stop >= self.meter_start else last
        self.running, self.provisional, self.energy = False, provisional, counted - self.meter_start


class Model:
    """Charging, told in forty lines."""

    def __init__(self, site: Site, chargers: list[ChargePoint], rng: random.Random) -> None:
        self.site, self.chargers, self.rng = site, chargers, rng
        self.accounts = {tag: site.tag(tag) for tag in ("CAFE", "BABE")}
        self.accounts["FLEET"] = site.tag("FLEET", account=site.account("fleet", service=True))
        self.accounts["POOR"] = site.tag("POOR", credit_wh=0)
        self.known: dict[int, Expected] = {}
        self.odd: set[str] = set()
        self.readings = 0
        self.now = utcnow() - timedelta(days=1)

    def step(self) -> None:
        """One message of one charger."""
        self.now += timedelta(seconds=self.rng.randint(1, 60))
        charger = self.rng.choice(self.chargers)
        ways = (
            self.start,
            self.start,
            self.retry,
            self.meter,
            self.meter,
            self.stop,
            self.stop,
            self.odd_stop,
        )
        self.rng.choice((*ways, self.close, self.reconnect))(charger)

    def start(self, charger: ChargePoint) -> None:
        connector, tag, meter = self.rng.randint(1, 2), self.rng.choice(TAGS), self.rng.randint(0, 9999)
        at = self.now if self.rng.random() < 0.8 else self.now - timedelta(hours=self.rng.randint(1, 90))
        self._started(charger, (connector, tag, meter, at))

    def retry(self, charger: ChargePoint) -> None:
        """A start again, also of one that has stopped."""
        mine = [row.start for row in self.known.values() if row.charger == charger.id]
        if mine:
            self._started(charger, self.rng.choice(mine))

    def _started(self, charger: ChargePoint, start: tuple[Any, ...]) -> None:
        connector, tag, meter, at = start
        id = charger.start(tag, connectorId=connector, meterStart=meter, timestamp=iso(at))
        if id in self.known:
            assert (self.known[id].charger, self.known[id].start) == (charger.id, start)
            return
        new = Expected(charger.id, connector, start, meter, at, self.accounts.get(tag))
        for row in self.known.values():
            if (row.charger, row.connector, row.running) == (charger.id, connector, True):
                if row.started_at > at and not row.late:
                    new.late = True
                else:
                    row.end(row.meter_last, provisional=True)
        self.known[id] = new

    def meter(self, charger: ChargePoint) -> None:
        id, connector, register = self._some_id(charger), self.rng.randint(1, 2), self.rng.randint(0, 20_000)
        charger.meter(register, id, connectorId=connector)
        self.readings += 1
        row = self.known.get(id or 0)
        if row is None or row.charger != charger.id:
            here = [r for r in self.known.values() if (r.charger, r.connector) == (charger.id, connector)]
            row = next((r for r in reversed(here) if r.running), None)
        if row is not None:
            row.take(register)

    def stop(self, charger: ChargePoint) -> None:
        id, meter_stop = self._some_id(charger), self.rng.choice([None, self.rng.randint(0, 20_000)])
        payload = {"transactionId": id, "meterStop": meter_stop, "timestamp": iso(self.now)}
        for _ in range(self.rng.choice((1, 1, 2))):
            charger.ask("StopTransaction", {k: v for k, v in payload.items() if v is not None})
        row = self.known.get(id or 0)
        if row is None or row.charger != charger.id:
            self.odd.add(f"{charger.id} {payload}")
        else:
            row.end(meter_stop)

    def odd_stop(self, charger: ChargePoint) -> None:
        claimed = self.rng.choice([-1, 0, 999_999, "abc"])
        charger.stop(claimed, 5, timestamp=iso(self.now))
        self.odd.add(f"{charger.id} {claimed} {self.now}")

    def close(self, _charger: ChargePoint) -> None:
        """Staff end one."""
        running = [id for id, row in self.known.items() if row.running]
        if running:
            id = self.rng.choice(running)
            self.site.close(id)
            self.known[id].end(self.known[id].meter_last, provisional=True)

    def reconnect(self, charger: ChargePoint) -> None:
        charger.reconnect()

    def _some_id(self, charger: ChargePoint) -> int | None:
        mine = [id for id, row in self.known.items() if row.charger == charger.id]
        return self.rng.choice([*mine[-4:] * 3, *list(self.known)[-1:], None])

    def compare(self) -> None:
        """The database says what the model says."""
        rows = {row.id: row for row in self.site.all(Transaction)}
        assert rows.keys() == self.known.keys()
        for id, row in rows.items():
            expected = self.known[id]
            told = (row.energy_wh, row.stopped_at is None, row.account_id, row.meter_last_wh)
            assert told == (expected.energy, expected.running, expected.account, expected.meter_last), (
                id,
                row.flags,
            )
        assert len(self.site.all(OddStop)) == len(self.odd)
        assert len(self.site.all(MeterReading)) == self.readings
        for tag, account in self.accounts.items():
            spent = sum(row.energy for row in self.known.values() if row.account == account)
            assert self.site.one(Account, id=account).spent_wh == spent, tag


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_e_any_order_of_messages_gives_what_the_model_gives(site: Site, seed: int) -> None:
    chargers = [site.charger("FREE"), site.charger("GUARDED", require_rfid=True), site.charger("THIRD")]
    model = Model(site, chargers, random.Random(seed))
    for _ in range(STEPS):
        model.step()
    model.compare()


NONSENSE: list[Any] = [
    None, True, False, 0, -1, 1, 255, 256, 1_600_000_000, 2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63,
    2**64, 10**30, -(2**63), -(10**30), 0.5, 1e15, 1e308, float("inf"), float("-inf"), float("nan"), "", " ",
    "0", "-1", "NaN", "Infinity", "1e400", "1,5", "kein", "x" * 10_000, "\x00", "a\x00b", "\ud800", "🔌" * 30,
    "ß" * 300, "'; --", "2024-02-30T00:00:00Z", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2024-01-01T00:00:00",
    "2024-01-01T00:00:00.123456789+05:30", [], [None], [[]], [1, "a", {}], {}, {"a": 1}, {"sampledValue": 1},
    [{"timestamp": 1, "sampledValue": [{"value": None}, 3]}],
    [{"timestamp": "9999-12-31T23:59:59Z", "sampledValue": [{"value": "9e15", "unit": "kWh"}]}],
]  # fmt: skip
SENSE: dict[str, Any] = {
    "connectorId": 1, "idTag": "CAFE", "meterStart": 5, "meterStop": 10, "transactionId": 1,
    "status": "Available", "errorCode": "NoError", "vendorId": "Acme", "chargePointVendor": "V",
    "chargePointModel": "M", "csr": "C",
    "type": "T", "timestamp": "2026-03-01T10:00:00Z",
    "meterValue": [element([sample(5)])], "transactionData": [element([sample(5)])],
}  # fmt: skip


def nonsense(rng: random.Random, action: str) -> dict[str, Any]:
    """A payload of which some is right."""
    properties = V16.incoming[action].schema["properties"]
    payload = {
        name: rng.choice(NONSENSE) if rng.random() < 0.5 else SENSE.get(name, "Idle")
        for name in properties
        if rng.random() < 0.85
    }
    if rng.random() < 0.2:
        payload[str(rng.choice(NONSENSE))] = rng.choice(NONSENSE)
    return payload


def asked(charger: ChargePoint, rng: random.Random, count: int) -> set[str]:
    """Ask nonsense; the error codes that came back."""
    codes = set()
    for number in range(count):
        action = rng.choice(list(V16.incoming))
        answer = charger.tell(json.dumps([2, f"n{number}", action, nonsense(rng, action)]))
        assert answer[1] == f"n{number}"
        if answer[0] == 4:
            codes.add(answers.error(answer))
        else:
            answers.result(action, answer)
    return codes


def test_e_nonsense_is_served_where_it_can_be(site: Site) -> None:
    rng = random.Random(4)
    site.tag("CAFE")
    assert asked(site.charger("LENIENT"), rng, 300) == set()
    assert len(site.all(OcppMessage)) == 300


def test_e_nonsense_is_refused_in_the_words_of_the_standard(site: Site) -> None:
    rng = random.Random(5)
    site.tag("CAFE")
    codes = asked(site.charger("STRICT", strict=True), rng, 200)
    assert codes == {
        "FormationViolation", "OccurenceConstraintViolation", "PropertyConstraintViolation",
        "TypeConstraintViolation",
    }  # fmt: skip
