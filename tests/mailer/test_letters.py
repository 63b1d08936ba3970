"""Letters of other domains: which template serves, what stays private, and the bell."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from app import mail
from app.blueprints.mailer.errors import BadTemplate, MissingPlaceholder
from app.blueprints.mailer.models import QueuedEmail
from app.blueprints.mailer.services import queueing, sending
from app.db import db, unit_of_work
from app.mail import BadAddress, Letter
from tests.databases import both_databases
from tests.factories import TemplateFactory
from tests.ocpp.staff import eventually

LETTER = {
    "to": "ann@example.com",
    "template": "invitation",
    "subject": "Welcome, {username}",
    "body": "Log in at {link}.",
    "context": {"username": "Ann", "link": "https://example.com/secret"},
}


def queued(work, **changed) -> QueuedEmail:
    number = mail.queue(work, Letter(**LETTER | changed))
    work.flush()
    return work.get_one(QueuedEmail, number, populate_existing=True)


@both_databases
def test_without_a_template_a_letter_is_sent_as_it_is(work):
    row = queued(work, language="es")

    assert (row.to, row.template, row.language) == ("ann@example.com", "invitation", "es")
    assert (row.subject, row.body, row.html) == ("Welcome, Ann", "Log in at https://example.com/secret.", "")
    assert row.context == LETTER["context"]
    assert (row.private, row.state) == (False, "waiting")


def test_the_template_of_staff_comes_before_the_letters_own_text(work):
    TemplateFactory(name="invitation", subject="Hi {username}", body="Go: {link}", html="<a>{link}</a>")

    row = queued(work)

    assert (row.subject, row.body, row.html) == (
        "Hi Ann", "Go: https://example.com/secret", "<a>https://example.com/secret</a>",
    )  # fmt: skip


def test_and_that_for_the_readers_language_before_it(work):
    TemplateFactory(name="invitation", subject="Hi")
    TemplateFactory(name="invitation.es", subject="Hola", body="b")

    assert (queued(work, language="es").subject, queued(work, language="en").subject) == ("Hola", "Hi")
    assert queued(work, language="es").template == "invitation.es"


def test_a_template_that_asks_for_too_much_does_not_keep_the_letter_from_being_sent(work, caplog):
    TemplateFactory(name="invitation", body="{amount}")

    assert queued(work).subject == "Welcome, Ann"
    assert "the template invitation cannot be used: the context lacks {amount}" in caplog.text


def test_a_letter_that_lacks_what_its_own_text_asks_for_is_refused(work):
    for wrong, error in (({"context": {}}, MissingPlaceholder), ({"body": "{a.b}"}, BadTemplate)):
        with pytest.raises(error):
            queued(work, **wrong)
    assert work.scalar(select(func.count()).select_from(QueuedEmail)) == 0


@pytest.mark.parametrize("to", ["", "ann", "ann@example.com\nBcc: x@example.com", None, "a@b.c, d@e.f"])
def test_a_letter_to_no_address_is_refused(work, to):
    with pytest.raises(BadAddress):
        queued(work, to=to)


# Private letters


@both_databases
def test_the_text_of_a_private_letter_is_not_readable_in_the_database(work):
    row = queued(work, private=True)

    assert (row.body, row.html, row.context, row.private) == ("", "", {}, True)
    assert row.texts() == ("Log in at https://example.com/secret.", "")
    with db.engine.connect() as connection:
        work.commit()
        stored = connection.execute(text("SELECT * FROM queued_email")).mappings().one()
    assert "secret" not in json.dumps({name: str(value) for name, value in stored.items() if "_" not in name})
    assert "example.com/secret" not in str(dict(stored))


@both_databases
@pytest.mark.parametrize("end", ["sent", "failed", "cancelled"])
def test_the_text_of_a_private_letter_is_wiped_when_it_is_done_with(work, end):
    row = queued(work, private=True)
    if end == "sent":
        sending.mark_sent(work, row.id)
    elif end == "failed":
        sending.fail(work, row.id, "no such user")
    else:
        queueing.cancel(work, row)
    work.commit()

    row = work.get_one(QueuedEmail, row.id)
    assert (row.state, row.secret_text, row.texts(), row.wiped) == (end, "", None, True)
    assert row.subject == "Welcome, Ann"


def test_a_private_letter_that_waits_on_keeps_its_text(work):
    row = queued(work, private=True)
    sending.put_off(work, row.id, "later")

    assert row.texts() == ("Log in at https://example.com/secret.", "")


# The bell


def bells(app) -> list[Path]:
    return list((Path(app.config["INSTANCE_PATH"]) / "broker" / "queue").glob("*mail*"))


@pytest.fixture
def silent(app):
    """No bell has rung yet."""
    for thread in threading.enumerate():
        if thread.name == "mail bell":
            thread.join()
    for file in bells(app):
        file.unlink()


@pytest.mark.usefixtures("silent")
def test_a_commit_that_queued_mail_rings_for_the_worker_once(app, work):
    with unit_of_work() as work:
        for _ in range(3):
            mail.queue(work, Letter(**LETTER))
        assert bells(app) == []
    with unit_of_work() as work:
        mail.queue(work, Letter(**LETTER))

    eventually(lambda: bells(app))
    (bell,) = bells(app)
    assert json.loads(bell.read_text())["headers"]["task"] == "mailer.send_queued"


@pytest.mark.usefixtures("silent")
def test_nothing_rings_for_what_was_not_queued(app, work, caplog):
    caplog.set_level(logging.WARNING)
    mail.queue(work, Letter(**LETTER))
    work.rollback()
    with unit_of_work() as work:
        TemplateFactory()

    assert not app.extensions["mail_bell"]._rings
    assert bells(app) == []
