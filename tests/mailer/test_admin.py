"""The staff screens of mail: templates with their preview, and the queue."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from app import mail
from app.blueprints.accounts.models import AuditEntry
from app.blueprints.mailer.models import EmailTemplate, QueuedEmail, ServerTrouble
from app.blueprints.mailer.services import sending
from app.clock import utcnow
from app.mail import Letter
from tests.accounts.screens import actions, count, messages
from tests.databases import both_databases
from tests.factories import QueuedEmailFactory, TemplateFactory, UserFactory
from tests.mailer.smtp_server import smtp_server
from tests.servers import free_port

QUEUE, TEMPLATES = "/admin/mails/", "/admin/mail-templates/"
PREVIEW = f"{TEMPLATES}preview/"
DONE = {"next_try_at": None}
SENT = {"state": "sent", "sent_at": datetime(2026, 1, 31, 8, 30, tzinfo=UTC), **DONE}
GREETING = {"name": "greeting", "subject": "Hello {username}", "body": "Good day, {username}."}


@pytest.fixture
def act(staff):
    """Run an action on mails, as the list's form does."""

    def run(name, *rows):
        data = {"action": name, "rowid": [str(row.id) for row in rows]}
        return staff.submit(f"{QUEUE}action/", data, follow_redirects=True)

    return run


# Templates


@both_databases
def test_staff_make_change_and_delete_templates(staff, work):
    staff.submit(f"{TEMPLATES}new/", GREETING | {"html": "<b>{username}</b>", "sample": "username = Ann"})
    row = work.scalars(select(EmailTemplate)).one()
    assert (row.name, row.subject, row.html) == ("greeting", "Hello {username}", "<b>{username}</b>")

    staff.submit(f"{TEMPLATES}edit/?id={row.id}", GREETING | {"body": "a\r\nb", "html": ""})
    work.refresh(row)
    assert (row.body, row.html) == ("a\nb", "")

    staff.submit(f"{TEMPLATES}delete/", {"id": row.id})
    assert count(work, EmailTemplate) == 0
    assert [name for _, name, _ in actions(work)] == ["create", "update", "delete"]


def test_a_mistake_is_told_next_to_its_field_and_nothing_is_lost(staff, work, monkeypatch):
    monkeypatch.setitem(mail.PLACEHOLDERS, "greeting", ("username",))
    TemplateFactory(name="known")
    for wrong, sentence in (
        ({"name": ""}, "This field is required."),
        ({"name": "known"}, "Already exists."),
        ({"subject": ""}, "This field is required."),
        ({"body": " "}, "This field is required."),
        ({"body": "a\r\n {b.c}"}, "line 2, character 2: “{b.c}” is no placeholder"),
        ({"body": "{foo}"}, "{foo} is not known in this mail; it has {username}."),
        ({"subject": "a\r\nb"}, "a subject is one line of text"),
        ({"html": "}"}, "line 1, character 1: “}” is no placeholder"),
        ({"html": "\0"}, "line 1, character 1: this character cannot be sent"),
        ({"sample": "x"}, "Line 1: write name = value."),
    ):
        answer = staff.submit(f"{TEMPLATES}new/", GREETING | {"html": "<i>kept</i>"} | wrong)

        text = html.unescape(answer.text)
        assert answer.status_code == 200
        assert sentence in text
        assert "kept" in text or "html" in wrong
    assert count(work, EmailTemplate) == 1


def test_the_list_tells_what_a_template_asks_for(staff, work):
    TemplateFactory(name="a", html="{c}")
    TemplateFactory(name="b", body="{{x}} {b}{username}")

    page = staff.get(TEMPLATES).text

    assert "{username}, {c}" in page
    assert "{username}, {b}" in page
    assert page.count("text and HTML") == 1


def test_the_form_names_the_letters_that_are_sent_by_themselves(staff):
    page = staff.get(f"{TEMPLATES}new/").text

    assert "<code>renewal</code>" in page
    assert "<code>{next_renewal}</code>" in page


# The preview


def test_the_preview_shows_a_mail_as_its_reader_sees_it(staff, work):
    answer = staff.submit(
        PREVIEW,
        {
            "subject": "Hi {name}",
            "body": "{name} <b> {more}",
            "html": "<p>{name}</p>",
            "sample": "name = <Ann>",
        },
    )

    text = html.unescape(answer.text)
    assert "Hi <Ann>" in text
    assert "<Ann> <b> ‹more›" in text
    assert 'srcdoc="&lt;p&gt;&amp;lt;Ann&amp;gt;&lt;/p&gt;"' in answer.text
    assert 'sandbox=""' in answer.text
    assert re.findall(r'badge-(\w+)">{(\w+)}', answer.text) == [("success", "name"), ("warning", "more")]


def test_the_preview_tells_what_is_wrong(staff):
    answer = staff.submit(
        PREVIEW, {"name": "renewal", "subject": "{foo}", "body": "x\n{", "html": "}", "sample": "?"}
    )

    problems = re.findall(r'role="alert">(.*?)</div>', html.unescape(answer.text))
    assert [problem[:35] for problem in problems] == [
        "Subject: {foo} is not known in this",
        "Text: line 2, character 1: “{” is n",
        "HTML: line 1, character 1: “}” is n",
        "Sample values: Line 1: write name =",
    ]


def test_the_preview_of_nothing_is_no_error(staff):
    assert staff.submit(PREVIEW).status_code == 200
    huge = {"body": "{a}" * 500, "sample": "a = " + "x" * 200_000}
    assert "the mail would be longer than" in staff.submit(PREVIEW, huge).text


def test_a_script_is_answered_the_preview_alone(staff):
    answer = staff.submit(PREVIEW, {"subject": "s", "body": "b"}, headers={"X-Requested-With": "fetch"})

    assert "<html" not in answer.text
    assert "none" in answer.text
    assert "<html" in staff.submit(PREVIEW, {"subject": "s", "body": "b"}).text


# The queue


@pytest.mark.parametrize(
    ("row", "word"),
    [
        ({}, "waiting"),
        ({"leased_until": utcnow() + timedelta(hours=1)}, "being sent"),
        ({"leased_until": utcnow() - timedelta(hours=1)}, "waiting"),
        (SENT, "sent"),
        (DONE | {"state": "failed", "last_error": "550 <no>"}, "failed"),
        (DONE | {"state": "cancelled"}, "cancelled"),
    ],
)
def test_each_mail_shows_its_state_and_its_error(staff, work, row, word):
    QueuedEmailFactory(subject="<Hello>", **row)

    page = staff.get(QUEUE).text

    assert re.findall(r'col-state">\s*<span class="badge badge-\w+">([\w ]+)<', page) == [word]
    assert "&lt;Hello&gt;" in page
    assert "<no>" not in page
    assert ("550 &lt;no&gt;" in page) == (word == "failed")


def test_the_page_says_that_mails_wait_for_a_server(staff, work):
    QueuedEmailFactory()

    page = staff.get(QUEUE).text

    assert "SMTP_HOST is not set: mails wait here until it is." in page
    assert "when SMTP_HOST is set" in page


@both_databases
def test_the_page_says_which_trouble_the_server_is_in_and_asks_it_again(app, staff, work):
    app.config.update(SMTP_HOST="mail.example.com", SMTP_PORT=25)
    QueuedEmailFactory()
    sending.server_failed(work, "mail.example.com:25", "no connection: <down>", [])
    row = work.get_one(ServerTrouble, 1)
    row.next_try_at = datetime(2099, 1, 31, 8, 30, tzinfo=UTC)

    page = staff.get(QUEUE).text

    assert page.count("no connection: &lt;down&gt;") == 2  # above the list, and at the mail that waits for it
    assert "The next try is at Jan 31, 2099, 8:30:00\u202fAM." in page
    assert re.search(r'col-next_try_at">\s*Jan 31, 2099, 8:30:00\sAM', page)
    assert "The mail server is asked again." in messages(
        staff.submit(f"{QUEUE}try-now/", follow_redirects=True)
    )
    assert "no connection" not in staff.get(QUEUE).text
    assert actions(work) == [("staff", "try now", "mail_server_trouble")]


def test_the_page_counts_what_waits_and_what_failed(staff, work):
    QueuedEmailFactory.create_batch(3)
    QueuedEmailFactory(state="failed", **DONE)

    page = staff.get(QUEUE).text

    assert "waiting: 3" in page
    assert "failed: 1" in page
    (link,) = re.findall(r'badge-danger" href="([^"]*)"', page)
    assert len(re.findall('class="col-state"', staff.get(html.unescape(link)).text)) == 1


@both_databases
def test_mails_are_sent_again_at_once(staff, act, work):
    old = utcnow() - timedelta(days=9)
    failed = QueuedEmailFactory(state="failed", attempts=9, failing_since=old, last_error="x", **DONE)
    waiting = QueuedEmailFactory(next_try_at=utcnow() + timedelta(hours=1), attempts=3)
    cancelled = QueuedEmailFactory(state="cancelled", **DONE)
    sending.server_failed(work, "mail.example.com:25", "down", [])

    answer = act("send_again", failed, waiting, cancelled)

    assert "3 mails are sent again now." in messages(answer)
    for row in (failed, waiting, cancelled):
        work.refresh(row)
        assert (row.state, row.attempts, row.failing_since, row.last_error) == ("waiting", 0, None, "")
        assert row.next_try_at <= utcnow()
    assert count(work, ServerTrouble) == 0
    assert actions(work) == [("staff", "send again", "queued_email")] * 3


def test_mails_are_kept_from_being_sent(staff, act, work):
    row = QueuedEmailFactory()

    assert "1 mail cancelled." in messages(act("cancel", row))
    work.refresh(row)
    assert (row.state, row.next_try_at) == ("cancelled", None)
    assert actions(work) == [("staff", "cancel", "queued_email")]


@both_databases
@pytest.mark.parametrize(
    ("name", "row", "sentence"),
    [
        ("send_again", SENT, "has been sent already"),
        ("send_again", {"leased_until": utcnow() + timedelta(hours=1)}, "is just being sent"),
        ("send_again", DONE | {"state": "failed", "private": True}, "was private and its text is gone"),
        ("cancel", SENT, "does not wait"),
        ("cancel", {"leased_until": utcnow() + timedelta(hours=1)}, "is just being sent"),
        ("delete", {}, "waits to be sent: cancel it first"),
    ],
)
def test_what_cannot_be_done_to_a_mail_is_refused(staff, act, work, name, row, sentence):
    mail_row = QueuedEmailFactory(**row)
    before = mail_row.state

    assert f"#{mail_row.id} {sentence}" in messages(act(name, mail_row))
    work.refresh(mail_row)
    assert mail_row.state == before
    assert actions(work) == []


def test_what_is_done_with_is_deleted_and_the_trail_does_not_tell_what_it_said(staff, work):
    row = QueuedEmailFactory(
        to="ann@example.com", state="failed", body="very personal", context={"a": "personal"}, **DONE
    )

    staff.submit(f"{QUEUE}delete/", {"id": row.id})

    assert count(work, QueuedEmail) == 0
    details = work.scalar(select(AuditEntry.details))
    assert details["to"] == ["ann@example.com", None]
    assert "personal" not in str(details)


@both_databases
def test_staff_queue_a_mail(staff, work):
    template = TemplateFactory(name="greeting")

    data = {"to": " ann@Example.com ", "template": template.id, "context": "username = Ann\n\nmore=x = y"}
    staff.submit(f"{QUEUE}new/", data)

    row = work.scalars(select(QueuedEmail)).one()
    assert (row.to, row.subject, row.context) == ("ann@example.com", "Hello Ann", {"username": "Ann"})
    assert row.state == "waiting"
    assert actions(work) == [("staff", "create", "queued_email")]
    assert "Ann" not in str(work.scalar(select(AuditEntry.details)))


def test_what_cannot_be_queued_is_refused(staff, work):
    right = {"to": "ann@example.com", "template": TemplateFactory().id, "context": "username = Ann"}
    for wrong, sentence in (
        ({"to": "ann"}, "“ann” is not a mail address"),
        ({"to": ""}, "This field is required."),
        ({"template": ""}, "This field is required."),
        ({"template": "99"}, "This field is required."),
        ({"context": "user = Ann"}, "the context lacks {username}"),
        ({"context": "username = Ann\nnonsense"}, "Line 2: write name = value."),
    ):
        answer = staff.submit(f"{QUEUE}new/", right | wrong)
        assert answer.status_code == 200
        assert sentence in html.unescape(answer.text)
    assert count(work, QueuedEmail) == 0


def test_a_mails_page_shows_what_it_says(staff, work):
    row = QueuedEmailFactory(subject="Hi <you>", body="1 < 2", html="<p>1 &lt; 2</p>", context={"a": "b"})

    page = staff.get(f"{QUEUE}details/?id={row.id}").text

    assert "Hi &lt;you&gt;" in page
    assert "1 &lt; 2</pre>" in page
    assert 'srcdoc="&lt;p&gt;1 &amp;lt; 2&lt;/p&gt;"' in page
    assert "a = b" in page
    assert re.findall('name="action" value="(.*?)"', page) == ["send_again", "cancel"]
    sent = staff.get(f"{QUEUE}details/?id={QueuedEmailFactory(**SENT).id}").text
    assert re.findall('name="action" value="(.*?)"', sent) == []
    assert f"&lt;{row.message_key}@localhost&gt;" in page


@both_databases
def test_a_private_mail_is_shown_to_nobody(staff, act, work):
    letter = Letter("a@x.mx", "invitation", "Welcome", "Log in: {link}", {"link": "hush-hush"}, private=True)
    row = work.get_one(QueuedEmail, mail.queue(work, letter))
    details = f"{QUEUE}details/?id={row.id}"

    pages = [staff.get(QUEUE).text, staff.get(details).text]
    assert "Welcome" not in staff.get(f"{QUEUE}?search=hush").text
    act("cancel", row)
    pages += [staff.get(details).text, staff.get("/admin/audit/").text]

    assert "nobody is shown its text" in pages[1]
    assert "its text was deleted" in pages[2]
    assert not any("hush" in page for page in pages)
    assert "hush" not in str([entry.details for entry in work.scalars(select(AuditEntry))])


def test_sent_mails_are_purged_after_a_question(staff, work):
    assert "There is no mail that has been sent." in staff.get(f"{QUEUE}purge/").text
    QueuedEmailFactory.create_batch(2, **SENT)
    QueuedEmailFactory()

    assert "Delete 2 mails that have been sent, for good?" in staff.get(f"{QUEUE}purge/").text
    assert count(work, QueuedEmail) == 3
    assert "2 mails purged." in messages(staff.submit(f"{QUEUE}purge/", follow_redirects=True))
    assert count(work, QueuedEmail) == 1
    assert actions(work) == [("staff", "purge", "queued_email")]


# A test mail


def test_a_test_mail_shows_what_the_server_answers(staff, server, work):
    sending.server_failed(work, f"127.0.0.1:{server.port}", "down", [])

    answer = staff.submit(f"{QUEUE}test/", {"to": "ann@example.com"})

    assert "The server has taken it: 250 2.0.0 taken as 1" in html.unescape(answer.text)
    assert [each.to for each in server.mails] == ["ann@example.com"]
    assert str(server.mails[0].message["From"]) == "depot@example.com"
    work.rollback()
    assert count(work, ServerTrouble) == 0
    assert count(work, QueuedEmail) == 0
    assert actions(work) == [("staff", "test mail", "queued_email")]


def test_and_why_it_takes_none(app, staff, server, work):
    page = staff.get(f"{QUEUE}test/").text
    assert "The connection is not encrypted" in page
    server.answers["RCPT"] = "550 5.1.1 <nobody>"
    answer = staff.submit(f"{QUEUE}test/", {"to": "ann@example.com"})
    assert "It was not sent: 550 5.1.1 &lt;nobody&gt;" in answer.text
    app.config["SMTP_PORT"] = free_port()
    answer = staff.submit(f"{QUEUE}test/", {"to": "ann@example.com"})
    assert "Connection refused" in answer.text
    assert actions(work) == [("staff", "test mail", "queued_email")] * 2
    assert "is not a mail address" in html.unescape(staff.submit(f"{QUEUE}test/", {"to": "ann"}).text)


def test_without_a_server_there_is_no_test(staff):
    assert "there is no server to send by" in staff.get(f"{QUEUE}test/").text
    with smtp_server() as server:
        staff.submit(f"{QUEUE}test/", {"to": "ann@example.com"})
        assert server.connections == 0


def test_a_password_that_can_be_read_on_the_way_is_warned_of(app, staff):
    app.config.update(SMTP_HOST="mail.example.com", SMTP_USERNAME="depot", SMTP_PASSWORD="sesame")

    page = staff.get(f"{QUEUE}test/").text

    assert "SMTP_PASSWORD can be read on the way." in page
    assert "sesame" not in page


# Both


@both_databases
def test_every_screen_can_be_listed_sorted_searched_filtered_and_looked_into(app, staff, work):
    template, row = TemplateFactory(name="a greeting"), QueuedEmailFactory(to="ann@greeting.mx")
    for screen, id in ((TEMPLATES, template.id), (QUEUE, row.id)):
        page = staff.get(screen).text
        assert "greeting" in page
        addresses = {f"{screen}?search=greeting", f"{screen}details/?id={id}", f"{screen}new/"}
        addresses |= set(map(html.unescape, re.findall(rf'href="({screen}[^"]*sort=[^"]*)"', page)))
        view = next(view for view in app.extensions["admin"][0]._views if f"{view.url}/" == screen)
        addresses |= {
            f"{screen}?flt0_{view.get_filter_arg(number, flt)}={value}"
            for number, flt in enumerate(view._filters)
            for value in ("1", "2026-01-01 00:00:00")
        }
        for address in addresses:
            assert staff.get(address).status_code == 200, address


def test_only_staff_see_the_screens(client, api, work):
    posts = [f"{QUEUE}purge/", f"{QUEUE}test/", f"{QUEUE}try-now/", PREVIEW, f"{QUEUE}action/"]
    for screen in (QUEUE, TEMPLATES, f"{QUEUE}test/"):
        assert client.get(screen).location == f"/login/?next={screen}"
        assert client.get(screen, headers=api).status_code == 403
    client.log_in(UserFactory())
    for address in posts:
        assert client.submit(address).status_code == 403
    assert client.get(QUEUE).status_code == 403


def test_the_screens_need_a_csrf_token(staff, work):
    for address in (f"{QUEUE}purge/", f"{QUEUE}test/", f"{QUEUE}try-now/", PREVIEW, f"{QUEUE}new/"):
        assert staff.post(address).status_code == 400
