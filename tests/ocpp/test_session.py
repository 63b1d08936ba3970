"""One session on a fake line: what needs exact timing, or a server that fails."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from app.blueprints.ocpp.outbox import NotSent, Outgoing
from app.blueprints.ocpp.session import MAX_BACKLOG, REMEMBERED, Answered, Incoming, Session
from app.blueprints.ocpp.wire import V16, result_text


class FakeLine:
    """A socket that keeps what is sent."""

    def __init__(self, *frames: str | bytes) -> None:
        self.open = True
        self.sent: list[Any] = []
        self.code = 0
        self._frames = frames

    def frames(self) -> Iterable[str | bytes]:
        return self._frames

    def send(self, text: str) -> None:
        if not self.open:
            raise OSError
        self.sent.append(json.loads(text))

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.open, self.code = False, code


class Talk:
    """A session, the messages that wait for their handler, and the CALLs of ours that have ended."""

    def __init__(self, *frames: str | bytes, strict: bool = False, **options: Any) -> None:
        self.line = FakeLine(*frames)
        self.waiting: list[tuple[Incoming, Answered]] = []
        self.ended: list[Outgoing] = []
        self.session = Session(self.line, V16, self._serve, self.ended.append, strict=strict, **options)

    def _serve(self, incoming: Incoming, answered: Answered) -> None:
        self.waiting.append((incoming, answered))

    def hear(self, id: Any, action: str = "Heartbeat", payload: Any = None) -> None:
        """A CALL arrives."""
        self.session.feed(json.dumps([2, id, action, payload or {}]))

    def answer(self) -> None:
        """The handler of the oldest message is done."""
        incoming, answered = self.waiting.pop(0)
        answered(result_text(incoming.id, {"n": len(self.line.sent)}))


def in_background(function: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """Run in a thread; the list has the result, or what was raised."""
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(function())
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, results


def until(check: Callable[[], Any]) -> None:
    """Wait a moment for another thread."""
    for _ in range(500):
        if check():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never came true")


def test_b8_one_message_is_served_at_a_time_in_order() -> None:
    talk = Talk()
    for id in "abc":
        talk.hear(id)

    assert [incoming.id for incoming, _ in talk.waiting] == ["a"]
    for _ in range(3):
        talk.answer()
    assert [message[1] for message in talk.line.sent] == ["a", "b", "c"]


def test_a7_a_backlog_over_the_limit_is_closed_with_1008() -> None:
    talk = Talk()
    for number in range(MAX_BACKLOG + 1):
        talk.hear(f"id{number}")
    assert talk.line.open

    talk.hear("one more")
    assert talk.line.code == 1008


def test_b5_a_repetition_is_answered_from_memory() -> None:
    talk = Talk()
    for _ in range(3):
        talk.hear("a")
    talk.answer()

    assert talk.line.sent == [[3, "a", {"n": 0}]] * 3
    assert not talk.waiting


def test_b5_the_memory_is_short() -> None:
    talk = Talk()
    for number in range(REMEMBERED + 1):
        talk.hear(f"id{number}")
        talk.answer()
    talk.hear("id1")
    assert not talk.waiting

    talk.hear("id0")
    assert len(talk.waiting) == 1


def test_b5_a_long_answer_is_not_kept_in_memory() -> None:
    talk = Talk()
    for _ in range(2):
        talk.hear("x" * 10_000)
        talk.answer()

    assert len(talk.line.sent) == 2
    assert talk.line.sent[0] != talk.line.sent[1]


def test_b8_a_message_that_cannot_be_submitted_costs_itself_alone() -> None:
    served: list[Incoming] = []

    def serve(incoming: Incoming, _answered: Answered) -> None:
        if incoming.id == "bad":
            raise RuntimeError("the journal is on fire")
        served.append(incoming)

    line = FakeLine(json.dumps([2, "bad", "Heartbeat", {}]), json.dumps([2, "good", "Heartbeat", {}]))
    Session(line, V16, serve, print, strict=False).run()

    assert line.sent[0][:3] == [4, "bad", "InternalError"]
    assert "fire" not in str(line.sent)
    assert [incoming.id for incoming in served] == ["good"]


def test_b8_an_error_in_reading_does_not_end_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Talk("bad", json.dumps([2, "good", "Heartbeat", {}]))
    take = talk.session.feed

    def feed(_self: Session, frame: str | bytes) -> None:
        if frame == "bad":
            raise RuntimeError
        take(frame)

    monkeypatch.setattr(Session, "feed", feed)
    talk.session.run()

    assert [incoming.id for incoming, _ in talk.waiting] == ["good"]


def test_a7_what_arrived_before_the_end_is_still_served() -> None:
    talk = Talk(*(json.dumps([2, id, "Heartbeat", {}]) for id in "abc"))
    talk.session.run()
    talk.line.open = False
    for _ in range(3):
        talk.answer()

    assert talk.line.sent == []


def test_b4_a_fault_without_an_id_goes_on_record_and_is_not_answered() -> None:
    talk = Talk()
    talk.session.feed("nonsense")
    (incoming, answered), *_ = talk.waiting
    answered(None)

    assert (incoming.text, incoming.id, incoming.fault and incoming.fault.code) == (
        "nonsense",
        None,
        "FormationViolation",
    )
    assert talk.line.sent == []


def test_b6_calls_wait_in_order_and_fail_at_once_with_the_socket() -> None:
    talk = Talk(may_send=True)
    asked = [in_background(lambda: talk.session.call("Reset", {"type": "Soft"}, 30)) for _ in range(3)]
    until(lambda: len(talk.session.outbox._queue) == 2)
    assert len(talk.line.sent) == 1

    talk.session.end()
    for thread, results in asked:
        thread.join(2)
        assert results[0].lost


def test_b6_an_answer_is_taken_for_its_own_question_only() -> None:
    talk = Talk(may_send=True)
    thread, results = in_background(lambda: talk.session.call("Reset", {"type": "Soft"}, 5))
    until(lambda: talk.line.sent)
    for text in (
        '[3,"another",{"status":"Rejected"}]',
        "[3,null,{}]",
        '[3,["x"],{}]',
        '[4,"another","X","",{}]',
    ):
        talk.session.feed(text)
    talk.session.feed(json.dumps([3, talk.line.sent[0][1], {"status": "Accepted"}]))
    thread.join(2)

    assert results[0].result == {"status": "Accepted"}
    assert talk.ended == results


def test_b6_a_call_on_a_closed_line_is_lost() -> None:
    talk = Talk(may_send=True)
    talk.line.open = False

    assert talk.session.call("Reset", {}, 30).lost


def test_b7_what_waits_for_boot_is_sent_after_it() -> None:
    talk = Talk()
    thread, results = in_background(lambda: talk.session.call("Reset", {}, 5))
    until(lambda: talk.session.outbox._queue)
    assert talk.line.sent == []

    talk.session.outbox.booted("Accepted")
    talk.session.feed(json.dumps([3, talk.line.sent[0][1], {}]))
    thread.join(2)
    assert results[0].result == {}


@pytest.mark.parametrize(
    ("registration", "action", "is_sent"),
    [
        ("Rejected", "Reset", False), ("Rejected", "ChangeConfiguration", False),
        ("Pending", "Reset", True), ("Pending", "RemoteStartTransaction", False),
        ("Pending", "RemoteStopTransaction", False), ("Pending", "TriggerMessage", True),
        ("Accepted", "RemoteStartTransaction", True),
    ],
)  # fmt: skip
def test_b7_what_boot_was_answered_limits_what_is_sent(registration: str, action: str, is_sent: bool) -> None:
    talk = Talk()
    thread, results = in_background(lambda: talk.session.call(action, {}, 0.3))
    until(lambda: talk.session.outbox._queue)
    talk.session.outbox.booted(registration)
    thread.join(2)

    assert bool(talk.line.sent) is is_sent
    assert isinstance(results[0], NotSent) is not is_sent


def test_b7_another_message_than_boot_shows_that_it_is_up() -> None:
    talk = Talk()
    assert not talk.session.outbox.may_send
    talk.hear("a")
    talk.answer()

    assert talk.session.outbox.may_send
