"""Templates: their language, how they are kept, and the address that takes them."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import func, select

from app import mail
from app.blueprints.accounts.models import AuditEntry
from app.blueprints.mailer.errors import BadTemplate, MissingPlaceholder, TooLong
from app.blueprints.mailer.models import EmailTemplate
from app.blueprints.mailer.services import placeholders, templates
from app.blueprints.mailer.services.templates import Texts
from tests.databases import both_databases
from tests.factories import TemplateFactory, UserFactory

ADD = "/mailer/template/add/"
GREETING = {"name": "greeting", "subject": "Hello {username}", "body": "Good day, {username}."}


def filled(body, html="", subject="s", **context):
    return Texts(subject, body, html).filled(context)


@pytest.fixture(autouse=True)
def _context(work):
    """Sentences need a language."""


# The language


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{name}", "Ann"),
        ("{name}{name}, {_a1}!", "AnnAnn, one!"),
        ("{{name}}", "{name}"),
        ("{{{name}}}", "{Ann}"),
        ("a {{}} b", "a {} b"),
        ("", ""),
        ("no placeholder", "no placeholder"),
        ("{name}\r\n{name}\r", "Ann\nAnn\n"),
    ],
)
def test_a_name_in_braces_stands_for_a_value(template, text):
    assert filled(template, name="Ann", _a1="one").body == text


@pytest.mark.parametrize(
    "trick",
    ["{a.b}", "{a[0]}", "{a!r}", "{a:>10}", "{}", "{0}", "{a b}", "{ a }", "{á}", "{a", "a}", "{{a}", "{a}}",
     "{", "}", "{a\n}", "{__class__.__mro__}", "{a.__init__.__globals__}", "%(a)s {b!s:{c}}"],
)  # fmt: skip
def test_nothing_but_a_name_may_stand_there(trick):
    with pytest.raises(BadTemplate):
        placeholders.parse(trick, "body")


def test_the_place_of_a_mistake_is_named():
    with pytest.raises(BadTemplate) as refusal:
        placeholders.parse("Dear {username},\nyou owe {amount.real} {x}", "body")

    assert refusal.value.part == "body"
    assert refusal.value.detail.startswith("body: line 2, character 9: “{amount.real}” is no placeholder")


def test_a_value_is_not_a_template():
    assert filled("{a}", a="{b} {{ %s", b="no").body == "{b} {{ %s"


def test_what_the_context_lacks_is_named_for_all_three_texts():
    with pytest.raises(MissingPlaceholder, match=r"^the context lacks {a}, {c}, {d}$"):
        filled("{b}{c}", "{d}{c}", "{a}", b="there")


def test_values_are_escaped_in_html_and_only_there():
    texts = filled("{a}", "<b>{a}</b>", "{a}", a="<i>\"'&</i>")

    assert texts.body == texts.subject == "<i>\"'&</i>"
    assert texts.html == "<b>&lt;i&gt;&#34;&#39;&amp;&lt;/i&gt;</b>"


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_a_subject_is_one_line_whatever_the_values(end):
    assert "Bcc" in (subject := filled("x", subject="Hello {a}", a=f"you{end}Bcc: b@example.com").subject)
    assert len(subject.splitlines()) == 1


def test_a_subject_that_grows_too_long_is_cut():
    subject = filled("x", subject="{a}", a="ñ" * 500).subject

    assert subject == "ñ" * 254 + "…"


def test_what_cannot_be_stored_or_sent_is_replaced_in_values():
    assert filled("{a}", a="a\0b\ud800c\x1bd\te").body == "a\ufffdb\ufffdc\ufffdd\te"


def test_a_mail_does_not_grow_beyond_all_bounds():
    with pytest.raises(TooLong):
        filled("{a}" * 1000, a="x" * 10_000)


# Keeping


@both_databases
def test_a_template_is_kept_and_replaced_by_name(work):
    first = templates.save_template(work, **GREETING, html="<p>{username}</p>")
    again = templates.save_template(work, name=" greeting ", subject="s", body="a\r\nb")
    row = work.get(EmailTemplate, first, populate_existing=True)

    assert again == first
    assert (row.name, row.subject, row.body, row.html) == ("greeting", "s", "a\nb", "")


@pytest.mark.parametrize(
    ("field", "text", "reason"),
    [
        ("subject", "a\nb", "a subject is one line of text"),
        ("subject", "a" * 256, "255 characters at most"),
        ("subject", "{a.b}", "line 1, character 1"),
        ("body", "a\0", "line 1, character 2: this character cannot be sent"),
        ("body", "x" * 100_001, "100000 characters at most"),
        ("body", "{a}" * 2001, "2000 braces at most"),
        ("html", "<style>p {color: red}</style>", "line 1, character 10"),
        ("name", "x" * 101, "100 characters at most"),
        ("name", "a\0b", "only letters that can be read"),
    ],
)
def test_a_bad_template_is_refused_when_it_is_saved(work, field, text, reason):
    with pytest.raises(BadTemplate) as refusal:
        templates.save_template(work, **GREETING | {field: text})

    assert refusal.value.detail.startswith(f"{field}: {reason}")
    assert work.scalar(select(func.count()).select_from(EmailTemplate)) == 0


@both_databases
def test_the_readers_language_comes_first(work):
    for name in ("renewal", "renewal.es", "other"):
        TemplateFactory(name=name)

    def found(name, language=""):
        template = templates.find_template(work, name, language)
        return template and template.name

    assert found("renewal", "es") == "renewal.es"
    assert found("renewal", "en") == found("renewal") == "renewal"
    assert found("missing", "es") is None


@pytest.mark.parametrize("name", ["greeting", "greeting.es"])
def test_a_template_of_a_letter_that_is_known_asks_only_for_what_there_is(work, monkeypatch, name):
    monkeypatch.setitem(mail.PLACEHOLDERS, "greeting", ("username", "balance_kwh"))
    templates.save_template(work, **GREETING | {"name": name})

    with pytest.raises(BadTemplate) as refusal:
        templates.save_template(work, name=name, subject="s", body="{user}")
    assert refusal.value.reason == "{user} is not known in this mail; it has {username}, {balance_kwh}."


# The JSON address


@both_databases
def test_a_template_is_made_and_changed_by_json(client, api, work):
    answer = client.post(ADD, json=GREETING, headers=api)
    row = work.scalars(select(EmailTemplate)).one()
    assert (answer.status_code, answer.json) == (200, {"id": row.id})

    answer = client.post(ADD, json=GREETING | {"body": "Bye.", "html": "<p>Bye.</p>"}, headers=api)
    work.refresh(row)
    assert answer.json == {"id": row.id}
    assert (row.body, row.html) == ("Bye.", "<p>Bye.</p>")


@both_databases
def test_what_is_made_and_changed_by_json_is_in_the_trail_and_what_stays_the_same_is_not(client, api, work):
    for body in (GREETING["body"], "Bye.", "Bye."):
        assert client.post(ADD, json=GREETING | {"body": body}, headers=api).status_code == 200

    made, changed = work.scalars(select(AuditEntry).order_by(AuditEntry.id))
    assert [(entry.username, entry.action, entry.subject) for entry in (made, changed)] == [
        ("robot", "create", "email_template"),
        ("robot", "update", "email_template"),
    ]
    assert changed.details == {"body": [GREETING["body"], "Bye."]}


@both_databases
def test_a_template_that_is_made_many_times_at_once_is_one_row(app, api, work):
    answers = []

    def add(number):
        sent = GREETING | {"body": f"{number}"}
        answers.append(app.test_client().post(ADD, json=sent, headers=api).json)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [{"id": work.scalars(select(EmailTemplate.id)).one()}] * 6


def test_a_form_will_do(client, api, work):
    assert client.post(ADD, data=GREETING, headers=api).status_code == 200
    assert work.scalar(select(EmailTemplate.subject)) == "Hello {username}"


def test_a_template_without_name_subject_or_body_is_refused(client, api):
    without = [GREETING | {field: value} for field in GREETING for value in ("", None)]
    junk = ({}, [], "x", 5, None, GREETING | {"name": "  "}, GREETING | {"body": " \n"})
    for told in [*without, *junk]:
        answer = client.post(ADD, json=told, headers=api)
        assert (answer.status_code, answer.json) == (400, {"detail": "name, subject and body required"})


def test_what_is_no_text_is_refused(client, api):
    for field in ("name", "subject", "body", "html"):
        for value in (5, True, ["x"], {"a": 1}):
            answer = client.post(ADD, json=GREETING | {field: value}, headers=api)
            assert (answer.status_code, answer.json) == (400, {"detail": f"{field} must be text"})


@both_databases
def test_a_mistake_is_told_with_its_place(client, api):
    for told, detail in (
        ({"body": "a\n{b.c}"}, "body: line 2, character 1"),
        ({"subject": "a\r\nBcc: x@example.com"}, "subject: a subject is one line of text"),
        ({"subject": "\ud800"}, "subject: line 1, character 1: this character cannot be sent"),
        ({"name": "\0"}, "name: only letters that can be read"),
        ({"html": "<style>b {}</style>"}, "html: line 1, character 10"),
    ):
        answer = client.post(ADD, json=GREETING | told, headers=api)
        assert answer.status_code == 400
        assert answer.json["detail"].startswith(detail)


def test_only_staff_and_tokens_make_templates(app, client, staff):
    assert client.post(ADD, json=GREETING).status_code == 401
    assert client.get(ADD).status_code == 401
    assert staff.get(ADD).json == {"detail": "POST required"}
    assert staff.post(ADD, json=GREETING).status_code == 400  # no CSRF token
    assert staff.post(ADD, json=GREETING, headers={"X-CSRFToken": staff.csrf_token()}).status_code == 200
    client.log_in(UserFactory())
    assert client.submit(ADD, GREETING).status_code == 403
