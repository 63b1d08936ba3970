"""B: envelopes (ocpp.md B1 to B5): what a frame may be, and how it is answered."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.ocpp import answers, frames
from tests.ocpp.charge_point import BINARY, CONTINUATION, PING, PONG, ChargePoint, new_id
from tests.ocpp.staff import eventually
from tests.ocpp.test_a_handshake import Connect, Rows, is_served
from tests.servers import RunningServer

HEARTBEAT = '[2,"x","Heartbeat",{}]'


@pytest.fixture(scope="module")
def charger(server: RunningServer) -> ChargePoint:
    """One lenient socket for all those frames: that it lives on is the point."""
    return ChargePoint(server.port, f"/{new_id('FRAMES')}")


@pytest.fixture(scope="module")
def strict(strict_server: RunningServer) -> ChargePoint:
    """The same where the schema decides."""
    return ChargePoint(strict_server.port, f"/{new_id('STRICT')}")


def answer_to(charger: ChargePoint, *sent: bytes | str) -> list[Any] | None:
    """Send a frame, or the bytes of several, and return the answer, or None. The socket lives."""
    for data in sent:
        charger.send_bytes(data if isinstance(data, bytes) else frames.frame(data))
    charger.call("Heartbeat", id="after")
    found = None
    while (message := charger.receive_message())[1] != "after":
        assert found is None, "one answer at the most"
        found = message
    return found


def start(**fields: Any) -> dict[str, Any]:
    """A valid StartTransaction but for some fields; None leaves one out."""
    valid = {"connectorId": 1, "idTag": "B-TAG", "meterStart": 0, "timestamp": "2026-01-01T00:00:00Z"}
    return {name: value for name, value in (valid | fields).items() if value is not None}


# B1, B2


@pytest.mark.parametrize("id", ["1", "x" * 36, "ünï-cödé €", "{}", "a b", "\\", '"', "\u2028", "😀"])
def test_b1_an_answer_carries_its_requests_id(charger: ChargePoint, id: str) -> None:
    message = charger.ask("Heartbeat", id=id)

    assert message[1] == id
    answers.result("Heartbeat", message)


def test_b1_a_callerror_has_five_items_and_a_short_description(charger: ChargePoint) -> None:
    message = charger.ask("X" * 5000)

    assert answers.error(message) == "NotImplemented"
    assert len(message) == 5


@pytest.mark.parametrize("action", ["Foo", "", "heartbeat", "Heartbeat ", "\u0000", "\ud800", "NotifyEvent"])
def test_b2_an_unknown_action_is_not_implemented(
    charger: ChargePoint, strict: ChargePoint, action: str
) -> None:
    assert answers.error(charger.ask(action)) == "NotImplemented"
    assert answers.error(strict.ask(action)) == "NotImplemented"


@pytest.mark.parametrize(
    "action", ["Reset", "RemoteStartTransaction", "TriggerMessage", "SignedUpdateFirmware"]
)
def test_b2_an_action_of_the_other_direction_is_not_supported(
    charger: ChargePoint, strict: ChargePoint, action: str
) -> None:
    assert answers.error(charger.ask(action)) == "NotSupported"
    assert answers.error(strict.ask(action)) == "NotSupported"


# B4: nonsense


@pytest.mark.parametrize(
    "text",
    [
        "hello", "", " ", "null", "5", '"x"', "{}", '{"2":"x"}', "[]", "[2]", '[9,"x"]',
        '[9,"x","Heartbeat",{}]', '["2","x","Heartbeat",{}]', "[3]", '[3,"nobody"]', '[3,"nobody",{}]',
        '[4,"nobody","GenericError","",{}]', '[4,"nobody"]', "[2,null]", '[2,{"a":1},"Heartbeat",{}]',
        '[2,["x"],"Heartbeat",{}]', "[" * 10_000, "[" * 10_000 + "]" * 10_000, '{"a":' * 10_000,
        "[2," + "[" * 1000 + "]" * 1000 + ',"Heartbeat",{}]',
        '[4,"x",' + "[" * 1000 + "]" * 1000 + ',"",{}]', '[3,"x",' + "[" * 1000 + "]" * 1000 + "]", "\x00",
        "\ufeff", "[2,\x00,", "\U0010ffff",
    ],
)  # fmt: skip
def test_b4_nonsense_without_an_id_is_ignored(charger: ChargePoint, strict: ChargePoint, text: str) -> None:
    assert answer_to(charger, text) is None
    assert answer_to(strict, text) is None


@pytest.mark.parametrize(
    "text",
    [
        '[2,"x"]', '[2,"x","Heartbeat",{},{}]', '[2,"x","Heartbeat",{}', '[2,"x","Heartbeat",{]',
        '[2,"x","Heartbeat",{}]]', ' [ 2 , "x" , oops', '[2,"x","Heartbeat",{"a":"\x00"}]',
        '[2,"x","Heartbeat",{}]\x00', "[2,\"x\",'Heartbeat',{}]",
        '[2,"x","Heartbeat",' + "[" * 10_000 + "]" * 10_000 + "]", '[2,"x","Heartbeat",[]]',
        '[2,"x","Heartbeat","{}"]', '[2,"x","Heartbeat",5]', '[2,"x","Heartbeat",false]',
        '[2,"x","DataTransfer",' + "[" * 900 + "]" * 900 + "]",
    ],
)  # fmt: skip
def test_b4_nonsense_with_an_id_is_a_formation_violation(
    charger: ChargePoint, strict: ChargePoint, text: str
) -> None:
    for socket in (charger, strict):
        message = answer_to(socket, text)
        assert message is not None
        assert (message[1], answers.error(message)) == ("x", "FormationViolation")


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 5000, "1e-999", "-0.0", "0" * 9 + "1"]
)
@pytest.mark.parametrize("action", ["Heartbeat", "StartTransaction"])
def test_b4_numbers_that_are_none_cost_nothing(charger: ChargePoint, action: str, number: str) -> None:
    payload = json.dumps(start(meterStart="NUMBER") if action == "StartTransaction" else {"x": "NUMBER"})
    message = answer_to(charger, f'[2,"n","{action}",{payload}]'.replace('"NUMBER"', number))

    assert message is not None
    assert answers.is_well_formed(action, message)


@pytest.mark.parametrize(
    "value", ["\\ud800", "\\udfff x", "\\u0000", "a\\u0000b", "\\ud83d\\ude00", "\\u202e", "\\uffff"]
)
def test_b4_odd_characters_cost_nothing(
    charger: ChargePoint, strict: ChargePoint, rows: Rows, value: str
) -> None:
    boot = f'{{"chargePointVendor":"{value}","chargePointModel":"m"}}'
    id = f"{new_id()}{value}"
    message = answer_to(charger, f'[2,"{id}","BootNotification",{boot}]')

    assert message is not None
    assert message[1] == json.loads(f'"{id}"')
    assert answers.result("BootNotification", message)["status"] == "Accepted"
    message = answer_to(strict, f'[2,"x","BootNotification",{boot}]')
    assert message is not None
    assert answers.is_well_formed("BootNotification", message)


def test_b4_a_deeply_nested_field_costs_that_message_alone(charger: ChargePoint, strict: ChargePoint) -> None:
    for depth in (100, 300, 900, 985, 1000, 1010):
        nested = "[" * depth + "]" * depth
        text = f'[2,"x","BootNotification",{{"chargePointVendor":{nested},"chargePointModel":"m"}}]'
        for socket in (charger, strict):
            message = answer_to(socket, text)
            assert message is not None
            assert answers.is_well_formed("BootNotification", message)


def test_b4_a_hundred_thousand_properties_are_read_past(charger: ChargePoint) -> None:
    message = charger.ask("Heartbeat", {f"p{number}": number for number in range(50_000)})

    assert answers.result("Heartbeat", message)


def test_b4_a_binary_frame_of_json_is_the_same_as_text(charger: ChargePoint) -> None:
    message = answer_to(charger, frames.frame('[2,"é","Heartbeat",{}]', BINARY))

    assert message is not None
    assert message[1] == "é"


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"\xff\xfe\x00", b"hello", bytes(range(256)), "é[".encode("utf-16")]
)
def test_b4_another_binary_frame_is_ignored(charger: ChargePoint, data: bytes) -> None:
    assert answer_to(charger, frames.frame(data, BINARY)) is None


def test_b4_every_frame_that_says_something_is_on_record(
    server: RunningServer, connect: Connect, rows: Rows
) -> None:
    id = new_id()
    charger = connect(server, f"/{id}")
    charger.send("no JSON at all")
    charger.send('[2,"half","Boot')
    assert is_served(charger)

    log = "SELECT m.request, m.answer, m.error_code FROM ocpp_message m JOIN charger c ON c.id = m.charger_id"
    noted = eventually(lambda: rows(f"{log} WHERE c.charger_id = ? ORDER BY m.id", id))
    assert [(row["request"], row["error_code"]) for row in noted[:2]] == [
        ("no JSON at all", "FormationViolation"), ('[2,"half","Boot', "FormationViolation"),
    ]  # fmt: skip
    assert noted[0]["answer"] is None
    assert json.loads(noted[1]["answer"])[:3] == [4, "half", "FormationViolation"]


# B4: frames


SPLIT = '[2,"é€","Heartbeat",{}]'.encode()


@pytest.mark.parametrize("opcode", [frames.TEXT, BINARY])
@pytest.mark.parametrize("at", [1, 4, 5, 6, 7, 8, 9, len(SPLIT) - 1])
def test_b4_a_fragmented_message_is_one_message(charger: ChargePoint, opcode: int, at: int) -> None:
    """Also where the cut goes through a character, and with a ping in between."""
    first, last = frames.frame(SPLIT[:at], opcode, fin=False), frames.frame(SPLIT[at:], CONTINUATION)
    charger.send_bytes(first + frames.frame(b"hi", PING))

    assert charger.receive_frame() == (PONG, b"hi")
    message = answer_to(charger, frames.frame(b"", CONTINUATION, fin=False) + last)
    assert message is not None
    assert message[1] == "é€"


def test_b4_a_frame_may_arrive_byte_by_byte(charger: ChargePoint) -> None:
    data = frames.frame(HEARTBEAT)
    for at in range(len(data)):
        charger.send_bytes(data[at : at + 1])

    assert charger.answer_to("x")[0] == 3


def test_b4_many_frames_may_arrive_at_once(charger: ChargePoint) -> None:
    ids = [f"id-{number}" for number in range(20)]
    charger.send_bytes(b"".join(frames.frame(json.dumps([2, id, "Heartbeat", {}])) for id in ids))

    assert [charger.receive_message()[1] for _ in ids] == ids


@pytest.mark.parametrize("data", [b"", b"x" * 125])
def test_b4_a_ping_is_answered_with_its_own_payload(charger: ChargePoint, data: bytes) -> None:
    charger.send_frame(data, PING)

    assert charger.receive_frame() == (PONG, data)


def test_b4_the_longest_message_is_served_and_one_byte_more_closes_with_1009(
    server: RunningServer, connect: Connect
) -> None:
    def text(size: int, letter: str) -> str:
        empty = '[2,"x","Heartbeat",{"x":""}]'
        return empty.replace('""', f'"{letter * ((size - len(empty)) // len(letter.encode()))}"')

    charger = connect(server, f"/{new_id()}")
    for letter in ("x", "é"):
        charger.send(text(1_048_576, letter))
        assert charger.answer_to("x")[0] == 3
    for letter, socket in (("x", charger), ("é", connect(server, f"/{new_id()}"))):
        socket.send(text(1_048_578, letter))
        assert socket.closed(5).code == 1009


def test_b4_too_long_in_pieces_closes_with_1009_before_the_end(
    server: RunningServer, connect: Connect
) -> None:
    charger = connect(server, f"/{new_id()}")
    charger.send_frame("x" * 600_000, fin=False)
    charger.send_frame("x" * 600_000, CONTINUATION, fin=False)

    assert charger.closed(5).code == 1009


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frames.frame(HEARTBEAT, mask=False), 1002), (frames.frame(HEARTBEAT, rsv=4), 1002),
        (frames.frame(HEARTBEAT, 3), 1002), (frames.frame(HEARTBEAT, CONTINUATION), 1002),
        (frames.frame(b"x" * 126, PING), 1002), (frames.frame(b"", PING, fin=False), 1002),
        (frames.frame(b"a", fin=False) + frames.frame(b"b"), 1002), (b"GET / HTTP/1.1\r\n\r\n", 1002),
        (b"\x81\xff" + b"\xff" * 12, 1002), (frames.frame(b"\x03", frames.CLOSE), 1002),
        (frames.frame(b"\x03\xff", frames.CLOSE), 1002), (frames.frame(b'[2,"\xff","Heartbeat",{}]'), 1007),
        (frames.frame(b'[2,"\xed\xa0\x80","Heartbeat",{}]'), 1007), (frames.frame(b"\xc3", fin=True), 1007),
    ],
    ids=[  # the masks are random, and every process must know a test by the same name
        "no mask", "reserved bit", "unknown opcode", "stray continuation", "long ping", "ping in pieces",
        "text within text", "HTTP", "huge", "short close", "bad close code", "bad UTF-8", "surrogate",
        "cut UTF-8",
    ],
)  # fmt: skip
def test_b4_what_is_no_websocket_is_closed_as_rfc_6455_says(
    server: RunningServer, connect: Connect, data: bytes, code: int
) -> None:
    charger = connect(server, f"/{new_id()}")
    charger.send_bytes(data)

    assert charger.closed(5).code == code


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
def test_b4_a_goodbye_is_answered_with_its_own_code(
    server: RunningServer, connect: Connect, code: int
) -> None:
    assert connect(server, f"/{new_id()}").close(code).code == code
