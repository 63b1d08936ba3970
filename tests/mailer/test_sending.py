"""The pump: each mail once, the others whatever becomes of one, and a server in trouble left alone."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, insert, select, text, update

from app import leases, mail
from app.blueprints.mailer import delivery, smtp
from app.blueprints.mailer.models import QueuedEmail, ServerTrouble
from app.blueprints.mailer.services import queueing, sending
from app.db import db, unit_of_work
from app.mail import Letter
from tests.databases import both_databases
from tests.factories import QueuedEmailFactory
from tests.mailer.smtp_server import DROP, HANG, smtp_server
from tests.ocpp.staff import eventually

ANN, BOB, EVE = "ann@example.com", "bob@example.com", "eve@example.com"


def row(work, number) -> QueuedEmail:
    work.rollback()
    return work.get_one(QueuedEmail, number, populate_existing=True)


def state(work, number):
    found = row(work, number)
    return found.state, found.attempts, found.last_error


def trouble(work) -> ServerTrouble | None:
    work.rollback()
    return work.scalar(select(ServerTrouble).execution_options(populate_existing=True))


def at(hour, minute):
    return datetime(2026, 1, 31, hour, minute, tzinfo=UTC)


# Mails


@both_databases
def test_what_is_due_is_sent_and_marked(work, server, queue, clock):
    number, later = queue(ANN, BOB)
    work.execute(
        update(QueuedEmail).where(QueuedEmail.id == later).values(next_try_at=clock() + timedelta(seconds=1))
    )
    work.commit()

    assert delivery.send_due() == delivery.Tally(sent=1)

    assert [each.to for each in server.mails] == [ANN]
    sent = row(work, number)
    assert (sent.state, sent.sent, sent.sent_at, sent.attempts) == ("sent", True, clock(), 1)
    assert (sent.next_try_at, sent.leased_by, sent.leased_until) == (None, "", None)
    assert state(work, later) == ("waiting", 0, "")


def test_all_of_them_go_over_one_connection_the_longest_due_first(work, server, queue):
    queue(*(f"reader{number}@example.com" for number in range(25)))
    work.execute(update(QueuedEmail).where(QueuedEmail.id == 20).values(next_try_at=at(8, 0)))
    work.commit()

    assert delivery.send_due().sent == 25

    assert server.connections == 1
    assert "reader19@example.com" in [each.to for each in server.mails[: sending.BATCH]]
    assert {each.to for each in server.mails} == {f"reader{number}@example.com" for number in range(25)}


@both_databases
def test_a_refused_address_fails_with_the_reason_and_keeps_nobody_else(work, server, queue):
    first, second, third = queue(ANN, BOB, EVE)
    server.answers[BOB] = "550 5.1.1 no such user here"

    assert delivery.send_due() == delivery.Tally(sent=2, failed=1)

    assert state(work, second) == ("failed", 1, "550 5.1.1 no such user here")
    assert state(work, first)[0] == state(work, third)[0] == "sent"
    assert server.connections == 1
    assert delivery.send_due() == delivery.Tally()


@both_databases
def test_whatever_a_server_says_can_be_kept_and_shown(work, server, queue):
    (number,) = queue(ANN)
    server.answers[ANN] = "550 no\0 \x1b[31msuch\x85 \u2028user ñ " + "x" * 400

    assert delivery.send_due() == delivery.Tally(failed=1)

    error = state(work, number)[2]
    assert error.startswith("550 no [31msuch user ñ xxx")
    assert len(error) == 300


@both_databases
def test_a_mail_that_is_not_taken_now_is_tried_again_after_pauses_that_double(work, server, queue, clock):
    (number,) = queue(ANN)
    server.answers[ANN] = "451 4.3.0 come again"
    pauses = []
    for _ in range(9):
        assert delivery.send_due() == delivery.Tally(later=1)
        assert delivery.send_due() == delivery.Tally()
        found = row(work, number)
        pauses.append((found.next_try_at - clock().replace(second=0)).total_seconds() / 60)
        clock.now = found.next_try_at

    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert state(work, number) == ("waiting", 9, "451 4.3.0 come again")
    server.answers.clear()
    assert delivery.send_due().sent == 1
    assert state(work, number) == ("sent", 10, "")


@both_databases
def test_a_mail_that_fails_for_three_days_has_failed(work, server, queue, clock):
    (number,) = queue(ANN)
    server.answers[ANN] = "451 come again"
    delivery.send_due()
    clock.forward(days=3, seconds=-1)
    delivery.send_due()
    assert state(work, number)[0] == "waiting"
    clock.forward(hours=1)

    delivery.send_due()

    assert state(work, number) == ("failed", 3, "451 come again")


def test_a_failure_is_less_than_a_minute_away_from_the_next_try():
    for second in (0, 1, 30, 59):
        now = at(8, 30) + timedelta(seconds=second, milliseconds=900)
        assert timedelta() < sending.next_try(now, 1) - now < timedelta(minutes=1)
        assert sending.next_try(now, 2) - now <= timedelta(minutes=2)
        assert sending.next_try(now, 10**6) - now <= timedelta(hours=1)


def test_a_mail_that_cannot_be_put_together_keeps_nobody_else(work, server, queue):
    first, second, third = queue(ANN, BOB, EVE)
    work.execute(update(QueuedEmail).where(QueuedEmail.id == first).values(to="no address"))
    work.execute(update(QueuedEmail).where(QueuedEmail.id == second).values(private=True, secret_text=""))
    work.commit()

    assert delivery.send_due() == delivery.Tally(sent=1, failed=2)

    assert state(work, first) == (
        "failed",
        1,
        "it cannot be put together: “no address” is not a mail address",
    )
    assert "SECRET_KEY" in state(work, second)[2]
    assert state(work, third)[0] == "sent"


def test_a_private_mail_is_sent_whole_and_wiped(work, server):
    number = mail.queue(work, Letter(ANN, "x", "s", "secret {a}", {"a": "link"}, private=True))
    work.commit()
    delivery.send_due()

    assert server.mails[0].message.get_content().strip() == "secret link"
    assert row(work, number).texts() is None


# Several workers


@both_databases
def test_several_workers_at_once_send_no_mail_twice(app, work, server, queue):
    queue(*(f"reader{number}@example.com" for number in range(60)))
    work.rollback()
    post = smtp.Server("127.0.0.1", server.port)

    def send():
        with app.app_context():
            delivery.Round(post, mail.sender("depot@example.com")).run()

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(each.to for each in server.mails) == sorted(f"reader{n}@example.com" for n in range(60))
    assert server.connections > 1
    assert set(work.scalars(select(QueuedEmail.state))) == {"sent"}


def test_one_process_sends_over_one_connection_and_forgets_no_call(app, work, server, queue):
    queue(ANN)
    server.answers["QUIT"] = HANG  # the first one takes its time to leave, and looks no more
    tallies = []

    def send():
        with app.app_context():
            tallies.append(delivery.send_due().sent)

    first = threading.Thread(target=send)
    first.start()
    eventually(lambda: "QUIT" in server.heard)
    server.answers.clear()
    queue(BOB)
    send()  # comes back at once: the first one will see to it
    assert [each.to for each in server.mails] == [ANN]
    first.join()

    assert [each.to for each in server.mails] == [ANN, BOB]
    assert tallies == [0, 1]


@both_databases
def test_what_another_worker_holds_is_left_to_it_until_it_has_died(work, server, queue, clock):
    (number,) = queue(ANN)
    with unit_of_work() as work:
        assert sending.take(work, "another") == [number]

    assert delivery.send_due() == delivery.Tally()
    clock.forward(seconds=sending.LEASE_S + 1)
    assert delivery.send_due() == delivery.Tally(sent=1)


def test_a_mail_is_not_sent_by_one_who_has_lost_it(work, server, queue, clock):
    """Its lease has run out, another has it, or staff have cancelled it."""
    numbers = queue(ANN, BOB, EVE)
    with unit_of_work() as work:
        sending.take(work, "me")
    assert sending.look(work, numbers[0], "me").to == ANN
    assert sending.look(work, numbers[0], "another") is None
    work.execute(
        update(QueuedEmail).where(QueuedEmail.id == numbers[1]).values(state="cancelled", next_try_at=None)
    )
    assert sending.look(work, numbers[1], "me") is None
    clock.forward(seconds=sending.LEASE_S - sending.CONVERSATION_S + 1)
    assert sending.look(work, numbers[2], "me") is None


def test_a_long_conversation_keeps_its_lease():
    """Connecting, with TLS and a login, and a mail; twice, when the server ends the connection in between."""
    steps = 8 * smtp.CONNECT_S
    assert steps + smtp.MAIL_S <= sending.CONVERSATION_S < sending.LEASE_S


def test_a_slow_server_gets_every_mail_once_all_the_same(work, server, queue, clock):
    numbers = queue(*(f"reader{number}@example.com" for number in range(15)))
    usual = server.take
    server.take = lambda taken: (usual(taken), clock.forward(seconds=40))

    assert delivery.send_due().sent == 15

    assert [state(work, number)[:2] for number in numbers] == [("sent", 1)] * 15
    assert len(server.mails) == 15


def test_a_mail_that_was_sent_is_marked_so_whatever_happened_to_its_row(work, server, queue):
    (number,) = queue(ANN)
    queueing.cancel(work, row(work, number))
    sending.mark_sent(work, number)
    work.commit()

    assert state(work, number)[0] == "sent"


# A server in trouble


@both_databases
def test_a_server_that_is_down_means_later_for_all_without_hammering(work, server, queue, clock):
    numbers = queue(ANN, BOB, EVE)
    server.stop()

    tally = delivery.send_due()

    assert "Connection refused" in tally.trouble
    assert tally.sent == tally.later == tally.failed == 0
    assert [state(work, number)[:2] for number in numbers] == [("waiting", 1), ("waiting", 0), ("waiting", 0)]
    assert state(work, numbers[0])[2] == tally.trouble
    assert all(row(work, number).leased_until is None for number in numbers)
    found = trouble(work)
    assert (found.failures, found.since, found.next_try_at) == (1, clock(), at(8, 31))

    server.start()
    assert delivery.send_due() == delivery.Tally()
    assert server.connections == 0
    clock.now = at(8, 31)
    assert delivery.send_due() == delivery.Tally(sent=3)
    assert trouble(work) is None


@both_databases
def test_the_pauses_of_a_server_double_to_an_hour(work, server, queue, clock):
    queue(ANN)
    server.answers["CONNECT"] = "421 not now"
    pauses = []
    for _ in range(9):
        delivery.send_due()
        found = trouble(work)
        pauses.append((found.next_try_at - clock().replace(second=0)).total_seconds() / 60)
        clock.now = found.next_try_at

    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert server.connections == 9
    assert found.since == at(8, 30) + timedelta(seconds=10)


def test_two_workers_that_find_out_at_once_make_one_trouble(work, clock):
    sending.server_failed(work, "a:25", "down", [])
    sending.server_failed(work, "a:25", "down too", [])

    found = work.scalar(select(ServerTrouble))
    assert (found.failures, found.reason) == (1, "down")


def test_another_server_is_tried_at_once(work, server, queue, clock):
    queue(ANN)
    with unit_of_work() as work:
        sending.server_failed(work, "old.example.com:25", "down", [])

    assert delivery.send_due().sent == 1


def test_a_call_by_hand_does_not_wait_for_the_pause(work, server, queue, clock):
    queue(ANN)
    with unit_of_work() as work:
        sending.server_failed(work, f"127.0.0.1:{server.port}", "down", [])

    assert delivery.send_due() == delivery.Tally()
    assert delivery.send_due(at_once=True).sent == 1


@both_databases
def test_what_a_server_keeps_waiting_for_three_days_has_failed(work, server, queue, clock, monkeypatch):
    monkeypatch.setattr(sending, "PIECE", 2)
    old = queue(*[ANN] * 5)
    server.stop()
    delivery.send_due()
    clock.forward(days=1)
    young = queue(BOB)
    clock.forward(days=2)
    held = QueuedEmailFactory(next_try_at=at(8, 0), leased_until=clock() + timedelta(minutes=1)).id
    work.commit()

    delivery.send_due()

    assert state(work, held)[0] == "waiting"
    assert {state(work, number)[0] for number in old} == {"failed"}
    assert "Connection refused" in state(work, old[4])[2]
    assert state(work, young[0])[0] == "waiting"
    with unit_of_work() as work:
        queueing.send_again(work, row(work, old[0]))
    clock.forward(hours=1)
    delivery.send_due()
    assert state(work, old[0])[0] == "waiting"


def test_without_a_server_mails_wait_however_long(work, queue, clock):
    (number,) = queue(ANN)
    clock.forward(days=30)

    assert delivery.send_due() == delivery.Tally()
    assert state(work, number) == ("waiting", 0, "")


@pytest.mark.parametrize("word", ["RCPT", "DATA", "END"])
@pytest.mark.parametrize("what", [DROP, HANG])
def test_a_server_that_breaks_off_mail_after_mail_is_in_trouble(
    work, server, queue, clock, monkeypatch, word, what
):
    monkeypatch.setattr(smtp, "ANSWER_S", 0.1)
    numbers = queue(*[ANN] * 5)
    server.answers[word] = what

    tally = delivery.send_due()

    assert tally.later == delivery.BREAKS == server.connections
    assert "broke" in tally.trouble
    assert [state(work, number)[1] for number in numbers] == [1, 1, 1, 0, 0]
    assert trouble(work).reason == tally.trouble


def test_a_mail_at_which_the_server_breaks_off_keeps_nobody_else(work, server, queue, clock):
    first, *_others = queue(ANN, BOB, EVE)
    server.answers[ANN] = DROP

    assert delivery.send_due() == delivery.Tally(sent=2, later=1)

    assert state(work, first)[:2] == ("waiting", 1)
    assert trouble(work) is None
    assert server.connections == 2


def test_many_readers_who_are_not_served_yet_are_no_trouble_of_the_server(work, server, queue, clock):
    queue(*[ANN] * 12, BOB)
    server.answers[ANN] = "451 greylisted"

    assert delivery.send_due() == delivery.Tally(sent=1, later=12)
    assert trouble(work) is None


# The end of a worker


@both_databases
def test_a_worker_that_is_told_to_stop_finishes_the_mail_in_hand_and_hands_back_the_others(
    app, work, server, queue
):
    numbers = queue(ANN, BOB, EVE)
    server.slowness_s = 0.3
    work.rollback()

    def send():
        with app.app_context():
            delivery.send_due()

    thread = threading.Thread(target=send)
    thread.start()
    eventually(lambda: "DATA" in server.heard)
    delivery.stop()
    thread.join()

    assert [each.to for each in server.mails] == [ANN]
    assert [state(work, number)[:2] for number in numbers] == [("sent", 1), ("waiting", 0), ("waiting", 0)]
    assert all(row(work, number).leased_until is None for number in numbers)


def test_a_worker_that_is_told_to_stop_does_not_wait_for_a_silent_server(
    app, work, server, queue, monkeypatch
):
    monkeypatch.setattr(delivery, "STOP_S", 0.3)
    monkeypatch.setattr(smtp, "ANSWER_S", 30.0)
    numbers = queue(ANN, BOB)
    server.answers["RCPT"] = HANG

    def send():
        with app.app_context():
            delivery.send_due()

    thread = threading.Thread(target=send)
    thread.start()
    eventually(lambda: "RCPT" in server.heard)
    began = time.monotonic()
    delivery.stop()
    thread.join()

    assert time.monotonic() - began < 2
    assert [state(work, number)[0] for number in numbers] == ["waiting"] * 2
    assert trouble(work) is None
    assert all(row(work, number).leased_until is None for number in numbers)


# Cost


@both_databases
def test_what_is_due_is_found_by_an_index_of_what_waits_alone(work, clock):
    sent = {
        "to": ANN,
        "template": "x",
        "subject": "s",
        "state": "sent",
        "sent_at": clock(),
        "queued_at": clock(),
    }
    work.execute(insert(QueuedEmail), [sent | {"message_key": f"{n:032x}"} for n in range(3000)])
    QueuedEmailFactory.create_batch(3)
    work.commit()
    with db.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("ANALYZE queued_email"))
        plan = explained(connection, chosen(work))

    assert "ix_queued_email_due" in plan
    assert "SCAN queued_email" not in plan
    assert "Seq Scan" not in plan


def chosen(work):
    """The question that ``sending.take`` asks, as the database is asked it."""
    asked = []

    def listen(_connection, _cursor, statement, parameters, _context, _many):
        if statement.lstrip().upper().startswith("SELECT QUEUED_EMAIL.ID"):
            asked.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", listen)
    try:
        with unit_of_work() as work:
            sending.take(work, leases.new_holder())
    finally:
        event.remove(db.engine, "before_cursor_execute", listen)
    return asked[0]


def explained(connection, question) -> str:
    statement, parameters = question
    how = "EXPLAIN" if connection.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    return "\n".join(map(str, connection.exec_driver_sql(f"{how} {statement}", parameters).all()))


def test_the_pump_holds_no_transaction_while_it_speaks_to_the_server(app, work, server, queue):
    queue(ANN)
    server.slowness_s = 0.4
    work.rollback()

    def send():
        with app.app_context():
            delivery.send_due()

    thread = threading.Thread(target=send)
    thread.start()
    eventually(lambda: "DATA" in server.heard)
    began = time.monotonic()
    with unit_of_work() as work:
        QueuedEmailFactory(next_try_at=at(8, 0) + timedelta(days=100_000))
    assert time.monotonic() - began < 0.2
    with smtp_server():
        thread.join()
