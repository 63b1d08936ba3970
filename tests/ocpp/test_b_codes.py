"""B: validation (ocpp.md B3, B5): strict mode's codes, what lenient mode lets pass, repeated messages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.ocpp import answers
from tests.ocpp.charge_point import ChargePoint, new_id
from tests.ocpp.staff import eventually, known, read
from tests.ocpp.test_a_handshake import Connect, Rows
from tests.ocpp.test_b_framing import start
from tests.servers import RunningServer

BOOT = {"chargePointVendor": "v", "chargePointModel": "m"}
STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
SAMPLE = [{"timestamp": "2026-01-01T00:00:00Z", "sampledValue": [{"value": "1"}]}]

# Each breaks its schema in one way.
BROKEN = [
    ("OccurenceConstraintViolation", "BootNotification", {"chargePointVendor": "v"}),
    ("OccurenceConstraintViolation", "Authorize", {}),
    ("OccurenceConstraintViolation", "StartTransaction", start(meterStart=None)),
    ("OccurenceConstraintViolation", "MeterValues", {"connectorId": 1, "meterValue": [{"sampledValue": []}]}),
    ("TypeConstraintViolation", "StartTransaction", start(meterStart="0")),
    ("TypeConstraintViolation", "StartTransaction", start(connectorId=1.5)),
    ("TypeConstraintViolation", "StartTransaction", start(idTag=12345)),
    ("TypeConstraintViolation", "BootNotification", {**BOOT, "iccid": None}),
    ("TypeConstraintViolation", "MeterValues", {"connectorId": 1, "meterValue": SAMPLE[0]}),
    ("PropertyConstraintViolation", "StartTransaction", start(idTag="x" * 21)),
    ("PropertyConstraintViolation", "BootNotification", {**BOOT, "chargePointVendor": "x" * 21}),
    ("PropertyConstraintViolation", "StatusNotification", {**STATUS, "status": "Sleeping"}),
    ("PropertyConstraintViolation", "StatusNotification", {**STATUS, "errorCode": "noerror"}),
    ("FormationViolation", "Heartbeat", {"x": 1}),
    ("FormationViolation", "BootNotification", {**BOOT, "vendor": "v"}),
]


@pytest.fixture(scope="module")
def charger(server: RunningServer) -> ChargePoint:
    """A lenient socket."""
    return ChargePoint(server.port, f"/{new_id('CODES')}")


@pytest.fixture(scope="module")
def strict(strict_server: RunningServer) -> ChargePoint:
    """A strict one."""
    return ChargePoint(strict_server.port, f"/{new_id('CODES')}")


def deviations(server: RunningServer, id: str) -> list[str]:
    """What is recorded on a message."""
    sql = "SELECT deviations FROM ocpp_message WHERE message_id = ?"
    return str(eventually(lambda: read(server, sql, id))[0]["deviations"]).split("\n")


@pytest.mark.parametrize(("code", "action", "payload"), BROKEN)
def test_b3_strict_names_what_is_wrong_as_16_spells_it(
    strict: ChargePoint, code: str, action: str, payload: Any
) -> None:
    assert answers.error(strict.ask(action, payload)) == code


@pytest.mark.parametrize(("code", "action", "payload"), BROKEN)
def test_b3_lenient_serves_it_and_records_the_deviation(
    server: RunningServer, charger: ChargePoint, code: str, action: str, payload: Any
) -> None:
    message = charger.ask(action, payload, new_id())

    assert answers.result(action, message) is not None
    assert deviations(server, message[1]) != [""]


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("Heartbeat", {}), ("BootNotification", BOOT), ("StatusNotification", STATUS),
        ("Authorize", {"idTag": "x" * 20}), ("StartTransaction", start()),
        ("MeterValues", {"connectorId": 1, "meterValue": SAMPLE}), ("DataTransfer", {"vendorId": "x"}),
    ],
)  # fmt: skip
def test_b3_what_is_valid_is_served_by_both_without_a_deviation(
    server: RunningServer, charger: ChargePoint, strict: ChargePoint, action: str, payload: Any
) -> None:
    message = charger.ask(action, payload, new_id())

    assert answers.result(action, message) is not None
    assert answers.result(action, strict.ask(action, payload)) is not None
    assert deviations(server, message[1]) == [""]


@pytest.mark.parametrize("payload", [None, [], "x", 5, True])
def test_b3_a_payload_that_is_no_object_is_a_formation_violation_in_strict(
    strict: ChargePoint, payload: Any
) -> None:
    strict.send([2, "no-object", "Heartbeat", payload])

    assert answers.error(strict.answer_to("no-object")) == "FormationViolation"


@pytest.mark.parametrize("text", ['[2,"{}","Heartbeat",null]', '[2,"{}","Heartbeat"]'])
def test_b3_lenient_takes_a_null_payload_for_an_empty_one(
    server: RunningServer, charger: ChargePoint, text: str
) -> None:
    id = new_id()
    charger.send(text.replace("{}", id, 1))

    assert answers.result("Heartbeat", charger.answer_to(id))
    assert deviations(server, id) == ["the payload is null"]


def test_b3_the_seeds_own_clients_are_served(charger: ChargePoint, rows: Rows) -> None:
    """Their StartTransaction holds a meter value and nothing else; their tags are not hexadecimal."""
    answer = answers.result("StartTransaction", charger.ask("StartTransaction", {"meterStart": 10}))
    assert rows("SELECT meter_start_wh FROM charge_transaction WHERE id = ?", answer["transactionId"]) == [
        {"meter_start_wh": 10}
    ]
    assert answers.result("Authorize", charger.ask("Authorize", {"idTag": "my card! é"}))


def test_b3_a_number_in_text_and_text_in_a_number_are_understood(charger: ChargePoint, rows: Rows) -> None:
    payload = start(meterStart=" 1234 ", connectorId="2", idTag=778899)
    answer = answers.result("StartTransaction", charger.ask("StartTransaction", payload))
    sql = "SELECT meter_start_wh, connector_id, id_tag FROM charge_transaction WHERE id = ?"

    assert rows(sql, answer["transactionId"]) == [
        {"meter_start_wh": 1234, "connector_id": 2, "id_tag": "778899"}
    ]


@pytest.mark.parametrize(("mode", "is_refused"), [("strict", True), ("lenient", False)])
def test_b3_a_charger_may_have_a_mode_of_its_own(
    server: RunningServer, strict_server: RunningServer, connect: Connect, mode: str, is_refused: bool
) -> None:
    here = server if mode == "strict" else strict_server
    charger = connect(here, f"/{known(here, validation=mode)}")

    assert (charger.ask("Heartbeat", {"x": 1})[0] == 4) is is_refused


@pytest.mark.parametrize("id", ["", "x" * 37, "x" * 300, 5, 1.5])
def test_b5_an_odd_id_is_served_in_lenient_and_refused_in_strict(
    charger: ChargePoint, strict: ChargePoint, id: Any
) -> None:
    assert answers.result("Heartbeat", charger.ask("Heartbeat", id=id))
    assert answers.error(strict.ask("Heartbeat", id=id)) == "FormationViolation"


def test_b5_the_same_id_and_payload_again_is_answered_the_same_and_handled_once(
    server: RunningServer, connect: Connect, rows: Rows
) -> None:
    cid = new_id()
    charger = connect(server, f"/{cid}")
    values = {"connectorId": 1, "meterValue": SAMPLE}
    for id, action, payload in (("a", "Heartbeat", {}), ("b", "MeterValues", values), ("c", "Foo", {})):
        first = charger.ask(action, payload, id)
        assert [charger.ask(action, payload, id) for _ in range(3)] == [first] * 3

    count = "SELECT count(*) AS n FROM {} WHERE charger_id = (SELECT id FROM charger WHERE charger_id = ?)"
    assert rows(count.format("meter_reading"), cid) == [{"n": 1}]
    assert rows(count.format("ocpp_message"), cid) == [{"n": 3}]


def test_b5_a_repetition_that_overtakes_the_answer_is_handled_once_too(
    server: RunningServer, connect: Connect, rows: Rows
) -> None:
    cid = new_id()
    charger = connect(server, f"/{cid}")
    for _ in range(5):
        charger.send([2, "again", "MeterValues", {"connectorId": 1, "meterValue": SAMPLE}])

    assert [charger.receive_message() for _ in range(5)] == [[3, "again", {}]] * 5
    readings = "SELECT r.id FROM meter_reading r JOIN charger c ON c.id = r.charger_id WHERE c.charger_id = ?"
    assert len(rows(readings, cid)) == 1


def test_b5_the_same_id_with_another_payload_is_handled(charger: ChargePoint) -> None:
    first = charger.ask("StartTransaction", start(meterStart=1), "same")
    second = charger.ask("StartTransaction", start(meterStart=2), "same")

    assert first[2]["transactionId"] != second[2]["transactionId"]
    assert "currentTime" in charger.ask("Heartbeat", {}, "same")[2]


def test_b5_on_another_connection_the_same_id_is_handled(server: RunningServer, connect: Connect) -> None:
    id = new_id()
    first = connect(server, f"/{id}").ask("Heartbeat", id="same")

    assert connect(server, f"/{id}").ask("Heartbeat", id="same") != first


def test_b1_every_answer_is_compact_json_with_the_standards_order(charger: ChargePoint) -> None:
    """B8 for answers: no spaces, and keys as the specification lists them."""
    charger.send([2, "é", "BootNotification", BOOT])
    text = charger.receive()

    assert text.startswith('[3,"é",{"currentTime":"')
    assert list(json.loads(text)[2]) == ["currentTime", "interval", "status"]
    assert text == json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False)
