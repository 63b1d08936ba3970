"""Mail as every domain sends it: a letter goes into the queue in the sender's own unit of work.

The mailer, which has the queue, registers ``queue``: domains that it stands on must not import it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.utils import getaddresses

import email_validator
from email_validator import EmailNotValidError, ValidatedEmail, validate_email
from flask_babel import gettext

from app.db import UnitOfWork
from app.domain_error import DomainError

# A company's own network has names such as server.local: whether mail gets there is its server's to say.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()


class BadAddress(DomainError):
    """Not one mail address."""

    def __init__(self, given: object) -> None:
        shown = " ".join(str(given).split())[:100]
        super().__init__(gettext("“%(address)s” is not a mail address", address=shown))


@dataclass(frozen=True)
class Letter:
    """What somebody is to be told.

    ``subject`` and ``body`` are what is sent while staff have made no template of the name ``template`` (for
    one language alone: ``<template>.<language>``). Their placeholders, ``{name}``, are those of ``context``.
    """

    to: str
    template: str
    subject: str
    body: str
    context: Mapping[str, str] = field(default_factory=dict)
    language: str = ""
    # It carries a secret, such as a link that logs in: shown to nobody, and wiped once it is sent.
    private: bool = False


def _nobody(work: UnitOfWork, letter: Letter) -> int:
    raise RuntimeError("no mailer has been set up")


# Queue a letter; return its number in the queue. Raises a DomainError for an address that is none.
queue: Callable[[UnitOfWork, Letter], int] = _nobody

# Template name → the placeholders that its sender fills in. Whoever sends letters may write theirs here: the
# template screen then shows them, and a template that asks for another is refused when it is saved.
PLACEHOLDERS: dict[str, tuple[str, ...]] = {}


def address(given: object) -> str:
    """One mail address, in the form that is kept. Raises ``BadAddress``.

    Letters beyond ASCII may stand in the domain alone: few servers take them before the @.
    """
    return str(_checked(given).normalized)


def address_on_the_wire(kept: str) -> str:
    """The same address as mail servers speak it: an international domain in ASCII. Raises ``BadAddress``."""
    return str(_checked(kept).ascii_email)


def sender(mail_from: str) -> Address:
    """The setting MAIL_FROM, an address with or without a name. Raises ``BadAddress``."""
    name, written = _one(mail_from)
    return Address(display_name=name, addr_spec=address_on_the_wire(written))


def is_sender(mail_from: str) -> bool:
    """Whether the setting MAIL_FROM can be used."""
    try:
        _read(_one(mail_from)[1])
    except EmailNotValidError:
        return False
    return mail_from.isprintable()


def _one(mail_from: str) -> tuple[str, str]:
    found = getaddresses([mail_from])
    return found[0] if len(found) == 1 else ("", "")


def _checked(given: object) -> ValidatedEmail:
    try:
        return _read(given)
    except EmailNotValidError as error:
        raise BadAddress(given) from error


def _read(given: object) -> ValidatedEmail:
    text = given.strip() if isinstance(given, str) else ""
    if "=?" in text:  # readers' programs would take it for encoded words
        raise EmailNotValidError
    return validate_email(
        text, check_deliverability=False, globally_deliverable=False, allow_smtputf8=False, strict=True
    )
