"""The JSON addresses of the queue: what they answer, what they refuse, and to whom."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from app.blueprints.accounts.models import AuditEntry
from app.blueprints.mailer.models import QueuedEmail
from app.blueprints.mailer.services import queueing
from tests.databases import both_databases
from tests.factories import QueuedEmailFactory, TemplateFactory, UserFactory

ADD, PURGE = "/mailer/queue/add/", "/mailer/purge/"
SENT = {"state": "sent", "sent_at": datetime(2026, 1, 31, 8, 30, tzinfo=UTC), "next_try_at": None}


@pytest.fixture
def order(work):
    """What queues a mail."""
    template = TemplateFactory(name="greeting")
    return {"to": "ann@example.com", "template_id": template.id, "context": {"username": "Ann"}}


def mails(work):
    return work.scalar(select(func.count()).select_from(QueuedEmail))


@both_databases
def test_a_mail_is_rendered_when_it_is_queued(client, api, work, order):
    answer = client.post(ADD, json=order | {"context": {"username": "Ann", "unused": 1}}, headers=api)

    row = work.scalars(select(QueuedEmail)).one()
    assert (answer.status_code, answer.json) == (200, {"id": row.id})
    assert (row.to, row.template, row.subject, row.body) == (
        "ann@example.com", "greeting", "Hello Ann", "Good day, Ann.",
    )  # fmt: skip
    assert row.context == {"username": "Ann"}
    assert (row.state, row.attempts, row.sent) == ("waiting", 0, False)


def test_who_queued_a_mail_is_in_the_trail_and_not_what_it_says(client, api, work, order):
    queued = client.post(ADD, json=order, headers=api).json["id"]
    client.post(ADD, json=order | {"context": {}}, headers=api)  # refused

    (entry,) = work.scalars(select(AuditEntry))
    assert (entry.username, entry.action, entry.subject) == ("robot", "create", "queued_email")
    assert entry.subject_id == str(queued)
    assert (entry.details["to"], entry.details["template"]) == (
        [None, "ann@example.com"], [None, "greeting"],
    )  # fmt: skip
    assert "Ann" not in str(entry.details)


def test_a_mail_without_placeholders_needs_no_context(client, api, work, order):
    template = TemplateFactory(subject="s", body="b")
    for context in ({}, None, ""):
        told = {"to": "a@example.com", "template_id": template.id, "context": context}
        assert client.post(ADD, json=told, headers=api).status_code == 200
    assert client.post(ADD, json={"to": "a@x.mx", "template_id": template.id}, headers=api).status_code == 200
    assert mails(work) == 4


def test_a_form_sends_its_context_as_json(client, api, work, order):
    told = order | {"context": '{"username": "Ann"}'}

    assert client.post(ADD, data=told, headers=api).status_code == 200
    assert work.scalar(select(QueuedEmail.subject)) == "Hello Ann"


def test_numbers_are_texts(client, api, work, order):
    for value, text in ((5, "5"), (1.5, "1.5"), (True, "True")):
        queued = client.post(ADD, json=order | {"context": {"username": value}}, headers=api).json["id"]
        assert work.get(QueuedEmail, queued).subject == f"Hello {text}"


def test_a_mail_without_reader_or_template_is_refused(client, api, work, order):
    without = [order | {field: value} for field in ("to", "template_id") for value in ("", None)]
    for told in [*without, {}, [], "x", None]:
        answer = client.post(ADD, json=told, headers=api)
        assert (answer.status_code, answer.json) == (400, {"detail": "to and template_id required"})
    assert mails(work) == 0


@pytest.mark.parametrize(
    "to",
    ["ann", "ann@", "@example.com", "a b@example.com", "a@b@example.com", "ann@example.com, bob@example.com",
     "ann@example.com\r\nBcc: bob@example.com", "ann@example.com\nX: y", "Ann <ann@example.com>",
     "ann@exa mple.com", "ann@-example.com", "a" * 65 + "@example.com", "ann@" + "x" * 64 + ".com",
     "josé@x.mx",
     "ann@example.com\0", "ann@\ud800.com", 5, True, ["ann@example.com"], {"a": 1}, "x" * 100_000,
     "=?utf-8?q?a=0ABcc=3Ax?=@x.mx"],
)  # fmt: skip
def test_what_is_not_one_address_is_refused(client, api, work, order, to):
    answer = client.post(ADD, json=order | {"to": to}, headers=api)

    assert answer.status_code == 400
    assert answer.json["detail"].endswith("is not a mail address")
    assert mails(work) == 0


@pytest.mark.parametrize(
    ("to", "kept"),
    [
        ("ann.b+c@Example.COM", "ann.b+c@example.com"),
        (" ann@example.com ", "ann@example.com"),
        ("ann@xn--mnchen-3ya.de", "ann@münchen.de"),
        ("ann@MÜNCHEN.de", "ann@münchen.de"),
        ("root@localhost", "root@localhost"),
        ("ann@mail.depot.local", "ann@mail.depot.local"),
    ],
)
def test_an_address_is_kept_in_one_form(client, api, work, order, to, kept):
    assert client.post(ADD, json=order | {"to": to}, headers=api).status_code == 200
    assert work.scalar(select(QueuedEmail.to)) == kept


@both_databases
def test_what_the_context_lacks_is_named(client, api, work, order):
    answer = client.post(ADD, json=order | {"context": {"user": "Ann"}}, headers=api)

    assert (answer.status_code, answer.json) == (400, {"detail": "the context lacks {username}"})
    assert mails(work) == 0


def test_a_context_is_an_object_of_plain_values(client, api, order):
    for context in ([1], "x", "[1]", 5, {"username": None}, {"username": ["x"]}, {"a": {}}, "{" * 100_000):
        answer = client.post(ADD, json=order | {"context": context}, headers=api)
        assert answer.status_code == 400
        assert answer.json == {"detail": "context must be an object of texts and numbers"}


@both_databases
def test_a_template_that_is_not_there_is_not_found(client, api, order):
    for number in (999, 0, -1, "7", 2**31, 10**19):
        answer = client.post(ADD, json=order | {"template_id": number}, headers=api)
        assert (answer.status_code, answer.json) == (404, {"detail": "invalid template"})
    for junk in ("x", 1.5, True, [1], {"a": 1}, "1 2", "٣", "9" * 30):
        answer = client.post(ADD, json=order | {"template_id": junk}, headers=api)
        assert (answer.status_code, answer.json) == (400, {"detail": "template_id must be a whole number"})


@both_databases
def test_odd_letters_in_values_break_nothing(client, api, work, order):
    text = '{"to": "a@x.mx", "template_id": %d, "context": {"username": "a\\u0000\\ud800\\nBcc: b@x.mx"}}'
    answer = client.post(ADD, data=text % order["template_id"], headers=api, content_type="application/json")

    assert answer.status_code == 200
    assert work.scalar(select(QueuedEmail.subject)) == "Hello a\ufffd\ufffd Bcc: b@x.mx"


@both_databases
def test_status_tells_whether_and_when(client, api, work):
    waiting, sent = QueuedEmailFactory(), QueuedEmailFactory(**SENT)

    for row, told in (
        (waiting, {"sent": False, "sent_at": None}),
        (sent, {"sent": True, "sent_at": "2026-01-31T08:30:00Z"}),
    ):
        answer = client.get(f"/mailer/status/{row.id}/", headers=api)
        assert (answer.status_code, answer.json) == (200, told)


@both_databases
def test_the_status_of_what_is_not_there_is_not_found(client, api):
    for number in ("7", "0", "-1", "x", "9" * 30, "2147483648", "٣", "1%00"):
        answer = client.get(f"/mailer/status/{number}/", headers=api)
        assert (answer.status_code, answer.json) == (404, {"detail": "not found"})


@both_databases
def test_purging_deletes_what_was_sent_and_nothing_else(client, api, work, monkeypatch):
    monkeypatch.setattr(queueing, "PIECE", 2)
    QueuedEmailFactory.create_batch(5, **SENT)
    kept = [
        QueuedEmailFactory(),
        *(QueuedEmailFactory(state=s, next_try_at=None) for s in ("failed", "cancelled")),
    ]

    answer = client.post(PURGE, headers=api)

    assert (answer.status_code, answer.json) == (200, {"purged": 5})
    assert set(work.scalars(select(QueuedEmail.id))) == {row.id for row in kept}
    assert client.post(PURGE, headers=api).json == {"purged": 0}
    (entry,) = work.scalars(select(AuditEntry))
    assert (entry.username, entry.action, entry.details) == ("robot", "purge", {"purged": 5})


def test_who_may_call(client, staff, work, order):
    status = f"/mailer/status/{QueuedEmailFactory().id}/"
    for address in (ADD, PURGE, status):
        for method in ("GET", "POST"):
            assert client.open(address, method=method).status_code == 401
    for address in (ADD, PURGE):
        assert staff.get(address).json == {"detail": "POST required"}
        assert staff.post(address).status_code == 400  # no CSRF token
    assert staff.post(status, headers={"X-CSRFToken": staff.csrf_token()}).status_code == 405
    assert staff.post(ADD, json=order, headers={"X-CSRFToken": staff.csrf_token()}).status_code == 200
    client.log_in(UserFactory())
    assert client.get(status).status_code == 403
    for address in (ADD, PURGE):
        assert client.submit(address).status_code == 403
