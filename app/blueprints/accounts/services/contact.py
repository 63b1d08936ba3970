"""How to reach people and where they live: one rule for their own page, the staff screen and JSON."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from flask_babel import gettext
from sqlalchemy import delete, exists, select

from app.blueprints.accounts import municipalities
from app.blueprints.accounts.errors import BadField, BadFields
from app.blueprints.accounts.models import Address, User
from app.blueprints.accounts.services import audit
from app.db import UnitOfWork
from app.language import LANGUAGES

# The parts of an address, and how long each may be.
ADDRESS = {"street": 255, "number": 20, "state": 2, "municipality": 100, "postal_code": 10}
EMAIL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@(?:\w(?:[\w-]*\w)?\.)+\w{2,}")
PHONE_NUMBER = re.compile(r"(?=.*[0-9])[0-9 +().#/-]+")
# Control characters and halves of surrogate pairs: databases and mail servers refuse them.
UNWRITABLE = ("Cc", "Cs")


def email(given: Any) -> str:
    """An address to write to, or nothing. Raises ``BadField``."""
    text = _text("email", given, 254)
    if text and not EMAIL.fullmatch(text):
        raise BadField("email", gettext("this is not an email address"))
    return text


def phone_number(given: Any) -> str:
    """A number to call, or nothing. Raises ``BadField``."""
    text = _text("phone_number", given, 20)
    if text and not PHONE_NUMBER.fullmatch(text):
        raise BadField("phone_number", gettext("a phone number is made of digits, spaces, and + - ( ) . / #"))
    return text


def language(given: Any) -> str:
    """The code of a language; nothing for whatever the browser says. Raises ``BadField``."""
    if given != "" and given not in tuple(LANGUAGES):
        codes = ", ".join(LANGUAGES)
        raise BadField("language", gettext("must be one of %(codes)s, or empty", codes=codes))
    return str(given)


def has_charger(given: Any) -> bool:
    """Whether there is a charger where somebody lives. Raises ``BadField``."""
    words = {"true": True, "false": False}  # as forms say it
    if not isinstance(given, bool) and str(given).lower() not in words:
        raise BadField("has_charger", gettext("must be true or false"))
    return words[str(given).lower()]


def address(given: Any) -> dict[str, str] | None:
    """Every part of an address; None for none. Raises ``BadFields``, which names each wrong part."""
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise BadFields([BadField("address", gettext("must be an object, or null"))])
    told: dict[str, str] = {}
    wrong: list[BadField] = []
    for name, longest in ADDRESS.items():
        try:
            told[name] = _text(name, given.get(name), longest, required=True)
        except BadField as error:
            wrong.append(error)
    try:
        if "state" in told:
            municipalities.check(told["state"], told.get("municipality"))
    except BadField as error:
        wrong.append(error)
    if wrong:
        raise BadFields(wrong)
    return told


# The fields of a profile: how each is read.
FIELDS: dict[str, Callable[[Any], Any]] = {
    "email": email,
    "phone_number": phone_number,
    "language": language,
    "has_charger": has_charger,
    "address": address,
}


def change(work: UnitOfWork, user: User, told: Mapping[str, Any], by: User) -> None:
    """Write what was told (some of ``FIELDS``, as they read it) onto a user, and leave it in the trail."""
    before = audit.values(user)
    for name in told.keys() - {"address"}:
        setattr(user, name, told[name])
    if "address" in told:
        set_address(work, user, told["address"], by)
    work.flush()  # the address has an id then
    if changed := audit.changes(before, audit.values(user)):
        audit.record(work, by, "update", "user", user.id, changed)


def set_address(work: UnitOfWork, user: User, told: Mapping[str, str] | None, by: User | None) -> None:
    """Let a user live there, or nowhere. An address that nobody lives at any more is removed."""
    # Locked, so that two changes at once do not leave an address behind.
    work.refresh(user, ["address_id"], with_for_update={"key_share": True})
    work.expire(user, ["address"])
    old = work.get(Address, user.address_id, populate_existing=True) if user.address_id else None
    if told is not None and old is not None and not _others_at(work, old.id, user.id):
        _move(work, old, told, by)
        return
    user.address = Address(**told) if told is not None else None
    work.flush()  # the trail names the new address by id; nobody refers to the old one any more
    if user.address is not None:
        audit.record(
            work, by, "create", "address", user.address.id, audit.changes({}, audit.values(user.address))
        )
    if old is not None:
        remove_if_empty(work, old.id, by)


def remove_if_empty(work: UnitOfWork, address_id: int, by: User | None) -> None:
    """Remove an address at which nobody lives."""
    found = work.get(Address, address_id)
    if found is None or _others_at(work, address_id, None):
        return
    audit.record(work, by, "delete", "address", address_id, audit.changes(audit.values(found), {}))
    work.execute(delete(Address).where(Address.id == address_id))


def _move(work: UnitOfWork, found: Address, told: Mapping[str, str], by: User | None) -> None:
    before = audit.values(found)
    for name, text in told.items():
        setattr(found, name, text)
    work.flush()
    if changed := audit.changes(before, audit.values(found)):
        audit.record(work, by, "update", "address", found.id, changed)


def _others_at(work: UnitOfWork, address_id: int, user_id: int | None) -> bool:
    others = select(exists().where(User.address_id == address_id, User.id.is_distinct_from(user_id)))
    return bool(work.scalar(others))


def _text(field: str, given: Any, longest: int, *, required: bool = False) -> str:
    """A line of text in the one form that is stored. Raises ``BadField``."""
    if required and given in (None, ""):
        raise BadField(field, gettext("must not be empty"))
    if not isinstance(given, str):
        raise BadField(field, gettext("must be text"))
    text = unicodedata.normalize("NFC", given.strip()[: 10 * longest])
    if len(text) > longest:
        raise BadField(field, gettext("has at most %(longest)d characters", longest=longest))
    if any(unicodedata.category(sign) in UNWRITABLE for sign in text):
        raise BadField(field, gettext("has characters that cannot be written"))
    if required and not text:
        raise BadField(field, gettext("must not be empty"))
    return text
