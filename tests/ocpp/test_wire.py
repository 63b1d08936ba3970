"""Text ↔ messages, error codes, and the lenient reading, without a line."""

from __future__ import annotations

from typing import Any

import pytest

from app.blueprints.ocpp import leniency, wire
from app.blueprints.ocpp.wire import V16, Call, CallError, CallResult, ProtocolFault

DEEP = 900


def nested(depth: int) -> list[Any]:
    """Lists in lists."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[2,"x","Heartbeat",{}]', Call("x", "Heartbeat", {})),
        ('[2,"x","Heartbeat"]', Call("x", "Heartbeat", None)),
        (b'[2,"x","Heartbeat",{}]', Call("x", "Heartbeat", {})),
        ('[3,"x",{"a":1}]', CallResult("x", {"a": 1})), ('[3,"x"]', CallResult("x", {})),
        ('[4,"x","C","d",{"e":1}]', CallError("x", "C", "d", {"e": 1})),
        ('[4,"x"]', CallError("x", "", "", {})), ('[4,"x",5,null,[]]', CallError("x", "5", "", {})),
        ('[2,"x","A",NaN]', Call("x", "A", None)), (f'[2,"x","A",{10**30}]', Call("x", "A", 1e30)),
        ('[2,"\\ud800","A",{}]', Call("\ud800", "A", {})),
    ],
)  # fmt: skip
def test_b1_what_can_be_read_is_read(text: str | bytes, message: Any) -> None:
    assert wire.read(text) == message


@pytest.mark.parametrize(
    ("text", "id"),
    [
        ("", None), ("{}", None), ("[2]", None), ('[9,"x"]', None), ('[2,"x"]', "x"), ("[2,7]", 7),
        ('[2,"x",1,2,3]', "x"), ("[" * 100_000, None), ('[2,"x",' + "[" * 100_000, "x"), (b"\xff", None),
        ("[2,\"\\u0041\",", None),
    ],
)  # fmt: skip
def test_b4_what_cannot_be_read_says_whom_to_answer(text: str | bytes, id: Any) -> None:
    with pytest.raises(ProtocolFault) as caught:
        wire.read(text)

    assert (caught.value.code, caught.value.id) == ("FormationViolation", id)


def test_b8_what_is_sent_is_compact_utf8() -> None:
    assert wire.result_text("é", {"a": [1, "€"]}) == '[3,"é",{"a":[1,"€"]}]'
    assert wire.error_text("x", "GenericError", "d" * 300) == f'[4,"x","GenericError","{"d" * 255}",{{}}]'
    assert wire.result_text("\ud800", {}) == '[3,"\\ud800",{}]'


def test_b8_our_payloads_have_the_specifications_order() -> None:
    period = {"limit": 8, "startPeriod": 0}
    schedule = {"chargingSchedulePeriod": [period], "chargingRateUnit": "A"}
    payload = {
        "x": 1,
        "idTag": "a",
        "chargingProfile": {"chargingSchedule": schedule, "chargingProfileId": 1},
    }
    text = wire.dumps(V16.in_order("RemoteStartTransaction", {**payload, "connectorId": 1}))

    assert text.startswith('{"connectorId":1,"idTag":"a","chargingProfile":{"chargingProfileId":1,')
    assert '[{"startPeriod":0,"limit":8}]' in text
    assert text.endswith(',"x":1}')


@pytest.mark.parametrize(
    "payload", [{"chargePointVendor": nested(DEEP)}, {"chargePointVendor": "\ud800", "x": 1}]
)
def test_b3_whatever_is_wrong_has_a_code(payload: dict[str, Any]) -> None:
    fault = V16.fault(V16.incoming["BootNotification"], payload)

    assert fault.code in ("FormationViolation", "OccurenceConstraintViolation")
    assert len(str(fault)) <= 255


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (10, 10), ("10", 10), (" 10 ", 10), ("10.7", 10), ("10,7", 10), (10.9, 10), ("1e3", 1000), (-5, -5),
        ("-5", -5), ("", None), ("ten", None), (None, None), (True, None), ([], None), ({}, None),
        ("nan", None), ("inf", None), (float("inf"), None), (float("nan"), None), (2**63, None),
        ("9" * 41, None), (nested(DEEP), None),
    ],
)  # fmt: skip
def test_b3_lenient_whole_numbers(given: Any, kept: int | None) -> None:
    payload, deviations = leniency.soften(V16.incoming["StartTransaction"], {"meterStart": given})

    assert payload.get("meterStart") == kept
    assert len([text for text in deviations if text.startswith("meterStart")]) == (
        0 if given in (10, -5) else 1
    )


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Available", "Available"), ("available", "Available"), (" CHARGING ", "Charging"),
        ("Sleeping", "Sleeping"), (5, "5"), (True, "true"), (None, None), ([], None), (nested(DEEP), None),
        ("\ud800", "\ud800"),
    ],
)  # fmt: skip
def test_b3_lenient_words(given: Any, kept: str | None) -> None:
    payload, _ = leniency.soften(V16.incoming["StatusNotification"], {"status": given})

    assert payload.get("status") == kept


def test_b3_lenient_keeps_what_is_too_long_and_leaves_out_what_is_unknown() -> None:
    payload, deviations = leniency.soften(V16.incoming["Authorize"], {"idTag": "x" * 50, "more": 1})

    assert payload == {"idTag": "x" * 50}
    assert deviations == ["idTag: longer than 20", "more: unknown property"]


def test_b3_lenient_names_what_is_missing() -> None:
    assert leniency.soften(V16.incoming["Authorize"], {}) == ({}, ["idTag: missing"])
    assert leniency.soften(V16.incoming["Heartbeat"], None) == ({}, ["the payload is null"])


def test_b3_lenient_takes_one_object_for_a_list_of_one() -> None:
    value = {"timestamp": "2026-01-01T00:00:00Z", "sampledValue": {"value": 5}}
    payload, _ = leniency.soften(V16.incoming["MeterValues"], {"connectorId": 1, "meterValue": value})

    assert payload["meterValue"] == [{"timestamp": "2026-01-01T00:00:00Z", "sampledValue": [{"value": "5"}]}]


def test_b3_lenient_is_bounded() -> None:
    many = {f"p{number}": number for number in range(1000)}
    samples = [{"timestamp": "2026-01-01T00:00:00Z", "sampledValue": [{"value": "1"}]}] * 10_001
    payload, deviations = leniency.soften(
        V16.incoming["MeterValues"], {"connectorId": 1, "meterValue": samples, **many}
    )

    assert len(payload["meterValue"]) == leniency.MAX_ITEMS
    assert len(deviations) == leniency.MAX_DEVIATIONS
