"""Templates: kept when they are right, found by name and language, filled in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flask_babel import gettext
from markupsafe import escape
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from app import mail
from app.blueprints.accounts.models import User
from app.blueprints.accounts.services import audit
from app.blueprints.mailer.errors import BadTemplate, IncompleteTemplate, InvalidTemplate, MissingPlaceholder
from app.blueprints.mailer.models import LONGEST_NAME, LONGEST_SUBJECT, EmailTemplate
from app.blueprints.mailer.services import placeholders
from app.blueprints.mailer.services.placeholders import Placeholder
from app.db import UnitOfWork

# In characters, of a template's body and of its HTML.
LONGEST_BODY = 100_000
# What a column of ids holds.
LARGEST_ID = 2**31 - 1


PARTS = ("subject", "body", "html")


@dataclass(frozen=True)
class Texts:
    """The three texts of a mail: with placeholders, or filled in."""

    subject: str
    body: str
    html: str = ""

    @classmethod
    def of(cls, template: EmailTemplate) -> Texts:
        """A template's."""
        return cls(template.subject, template.body, template.html)

    def placeholders(self) -> list[str]:
        """Every name that is asked for, in the order in which it is met. Raises ``BadTemplate``."""
        return placeholders.names(part for parts in self._parsed().values() for part in parts)

    def filled(self, context: Mapping[str, str]) -> Texts:
        """These texts with values. Raises ``MissingPlaceholder``, ``TooLong`` or ``BadTemplate``.

        The subject is one line, whatever the values; in the HTML they are escaped.
        """
        if missing := [name for name in self.placeholders() if name not in context]:
            raise MissingPlaceholder(*missing)
        parsed = self._parsed()
        subject = " ".join(placeholders.fill(parsed["subject"], context).split())
        if len(subject) > LONGEST_SUBJECT:
            subject = subject[: LONGEST_SUBJECT - 1] + "…"
        html = placeholders.fill(parsed["html"], context, lambda value: str(escape(value)))
        return Texts(subject, placeholders.fill(parsed["body"], context), html)

    def _parsed(self) -> dict[str, list[str | Placeholder]]:
        return {part: placeholders.parse(getattr(self, part), part) for part in PARTS}


def checked_name(name: str) -> str:
    """A template's name. Raises ``BadTemplate`` or ``IncompleteTemplate``."""
    name = " ".join(name.split())
    if not name:
        raise IncompleteTemplate
    if len(name) > LONGEST_NAME:
        raise BadTemplate("name", gettext("%(limit)d characters at most", limit=LONGEST_NAME))
    if placeholders.UNSENDABLE.search(name):
        raise BadTemplate("name", gettext("only letters that can be read"))
    return name


def checked_part(part: str, text: str, name: str = "") -> str:
    """One text of a template, as it is kept. Raises ``BadTemplate``, which names the place.

    ``name``: of the template. The placeholders of letters that the program sends itself are known.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    limit = LONGEST_SUBJECT if part == "subject" else LONGEST_BODY
    if len(text) > limit:
        raise BadTemplate(part, gettext("%(limit)d characters at most", limit=limit))
    if part == "subject" and len(text.splitlines()) > 1:
        raise BadTemplate(part, gettext("a subject is one line of text"))
    asked, known = placeholders.names(placeholders.parse(text, part)), known_placeholders(name)
    if known is not None and (foreign := [each for each in asked if each not in known]):
        raise BadTemplate(part, _unknown(foreign, known))
    return text


def known_placeholders(name: str) -> tuple[str, ...] | None:
    """What a letter of this name fills in; None where nobody has said."""
    return mail.PLACEHOLDERS.get(name) or mail.PLACEHOLDERS.get(name.rpartition(".")[0])


def save_template(
    work: UnitOfWork, *, name: str, subject: str, body: str, html: str = "", by: User | None = None
) -> int:
    """Make a template, or put another in place of the one of this name. Return its id.

    One statement, so that two that save at once make one row. What changes is in the audit trail.
    Raises ``BadTemplate`` or ``IncompleteTemplate``.
    """
    name = checked_name(name)
    texts = {"subject": subject, "body": body, "html": html}
    kept = {part: checked_part(part, text, name) for part, text in texts.items()}
    if not kept["subject"].strip() or not kept["body"].strip():
        raise IncompleteTemplate
    named = select(EmailTemplate).where(EmailTemplate.name == name).execution_options(populate_existing=True)
    known = work.scalar(named.with_for_update())
    before = audit.values(known) if known else {}
    dialect = postgresql if work.get_bind().dialect.name == "postgresql" else sqlite
    statement = dialect.insert(EmailTemplate).values(name=name, **kept)
    upsert = statement.on_conflict_do_update(index_elements=[EmailTemplate.name], set_=kept)
    work.execute(upsert)
    saved = work.scalars(named).one()
    if changed := audit.changes(before, audit.values(saved)):
        audit.record(work, by, "update" if known else "create", saved.__tablename__, saved.id, changed)
    return saved.id


def get_template(work: UnitOfWork, template_id: int) -> EmailTemplate:
    """The template with this id. Raises ``InvalidTemplate``."""
    template = work.get(EmailTemplate, template_id) if 0 < template_id <= LARGEST_ID else None
    if template is None:
        raise InvalidTemplate
    return template


def find_template(work: UnitOfWork, name: str, language: str = "") -> EmailTemplate | None:
    """The template ``<name>.<language>``, else ``<name>``."""
    wanted = [f"{name}.{language}", name] if language else [name]
    found = {
        row.name: row for row in work.scalars(select(EmailTemplate).where(EmailTemplate.name.in_(wanted)))
    }
    return next((found[each] for each in wanted if each in found), None)


def _unknown(foreign: Iterable[str], known: Iterable[str]) -> str:
    return gettext(
        "%(foreign)s is not known in this mail; it has %(known)s.",
        foreign=", ".join(f"{{{name}}}" for name in foreign),
        known=", ".join(f"{{{name}}}" for name in known),
    )
