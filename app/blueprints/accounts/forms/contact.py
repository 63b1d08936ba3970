"""What a profile must hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flask_babel import gettext, lazy_gettext
from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    EmailField,
    Field,
    Form,
    SelectField,
    StringField,
    TelField,
    ValidationError,
)
from wtforms.fields import Choice, SelectChoice

from app.blueprints.accounts.errors import BadField, BadFields, NothingTold
from app.blueprints.accounts.municipalities import MUNICIPALITIES, STATES
from app.blueprints.accounts.services import contact
from app.language import LANGUAGES


def read_by(read: Callable[[Any], Any]) -> Callable[[Form, Field], None]:
    """The validator that asks of a field what JSON is asked."""

    def validate(_form: Form, field: Field) -> None:
        try:
            field.data = read(field.data or "")
        except BadField as refusal:
            raise ValidationError(refusal.reason) from refusal

    return validate


def languages() -> list[SelectChoice]:
    """The languages to choose from."""
    others = [SelectChoice(code, name) for code, name in LANGUAGES.items()]
    return [SelectChoice("", lazy_gettext("The browser's")), *others]


class _Apart:
    """A field that goes to a service, never onto a row."""

    def populate_obj(self, obj: Any, name: str) -> None:
        """Leave the row alone."""


class PartField(_Apart, StringField):
    """A part of an address."""


class StateField(_Apart, SelectField):
    """Where an address lies; ``js/municipalities.js`` lets the municipalities follow."""

    def __init__(self, label: Any, **options: Any) -> None:
        states = [SelectChoice(code, name) for code, name in STATES.items()]
        super().__init__(label, choices=[SelectChoice("", "—"), *states], validate_choice=False, **options)


class MunicipalityField(_Apart, SelectField):
    """Every municipality, by state: without JavaScript all of them are there, and the server checks."""

    def __init__(self, label: Any, **options: Any) -> None:
        choices = [SelectChoice("", "—")]
        for code, names in MUNICIPALITIES.items():
            choices += [
                SelectChoice(name, name, {"data-state": code}, optgroup=STATES[code]) for name in names
            ]
        super().__init__(label, choices=choices, validate_choice=False, **options)

    def iter_groups(self) -> Iterator[tuple[str | None, list[Choice]]]:
        """The groups; what is chosen is chosen once, though both states have a municipality of that name."""
        state = STATES.get(self._form["state"].data)
        for group, choices in super().iter_groups():
            others = state is not None and group not in (None, state)
            yield group, [choice._replace(selected=choice.selected and not others) for choice in choices]


class AddressFields:
    """The section of a form that asks where somebody lives; all of it empty: nowhere."""

    street = PartField(
        lazy_gettext("Street"),
        description=lazy_gettext("Leave the whole address empty where there is none."),
        render_kw={"maxlength": contact.ADDRESS["street"]},
    )
    number = PartField(lazy_gettext("Number"), render_kw={"maxlength": contact.ADDRESS["number"]})
    state = StateField(lazy_gettext("State"), render_kw={"data-municipalities": "municipality"})
    municipality = MunicipalityField(lazy_gettext("Municipality"))
    postal_code = PartField(
        lazy_gettext("Postal code"), render_kw={"maxlength": contact.ADDRESS["postal_code"]}
    )


def show_address(form: Form, address: Any) -> None:
    """Fill the section in."""
    for name in contact.ADDRESS:
        form[name].data = getattr(address, name, "")


def has_address(form: Form) -> bool:
    """Whether the section was sent along at all."""
    return any(form[name].raw_data for name in contact.ADDRESS)


def address_in(form: Form) -> dict[str, str] | None:
    """The address in the section; None when all of it is empty. Raises ``BadFields``."""
    told = {name: form[name].data or "" for name in contact.ADDRESS}
    return contact.address(told) if any(text.strip() for text in told.values()) else None


def address_fits(form: Form) -> bool:
    """Whether the address can be; what is wrong stands next to its field."""
    try:
        address_in(form)
    except BadFields as refusal:
        for wrong in refusal.wrong:
            form[wrong.field].errors = [*form[wrong.field].errors, wrong.reason]
        return False
    return True


class ContactForm(AddressFields, FlaskForm):
    """What people say of themselves."""

    class Meta:
        """The guard has checked the CSRF token; tokens of the API come without one."""

        csrf = False

    email = EmailField(
        lazy_gettext("Email"),
        [read_by(contact.email)],
        render_kw={"autocomplete": "email", "maxlength": 254},
    )
    phone_number = TelField(
        lazy_gettext("Phone number"),
        [read_by(contact.phone_number)],
        render_kw={"autocomplete": "tel", "maxlength": 20},
    )
    language = SelectField(lazy_gettext("Language"), choices=languages)
    has_charger = BooleanField(lazy_gettext("I have a charger at home"))

    def validate(self, *args: Any, **kwargs: Any) -> bool:
        """Also the address, as a whole."""
        return bool(super().validate(*args, **kwargs)) & address_fits(self)

    def told(self) -> dict[str, Any]:
        """What ``contact.change`` writes."""
        return {
            "email": self.email.data,
            "phone_number": self.phone_number.data,
            "language": self.language.data,
            "has_charger": self.has_charger.data,
            "address": address_in(self),
        }


def profile_change(given: Mapping[str, Any]) -> dict[str, Any]:
    """What a request changes of a profile: some of ``contact.FIELDS``, read.

    In a form the address is a JSON text, empty for none. Raises ``BadFields``, or ``NothingTold``.
    """
    told: dict[str, Any] = {}
    wrong: list[BadField] = []
    for name, read in contact.FIELDS.items():
        if name in given:
            try:
                told[name] = read(_unpacked(given[name]) if name == "address" else given[name])
            except BadFields as refusal:
                wrong += refusal.wrong
            except BadField as refusal:
                wrong.append(refusal)
    if wrong:
        raise BadFields(wrong)
    if not told:
        raise NothingTold(contact.FIELDS)
    return told


def _unpacked(address: Any) -> Any:
    if not isinstance(address, str):
        return address
    try:
        return json.loads(address or "null")
    except (ValueError, RecursionError):
        raise BadField("address", gettext("must be an object, or null")) from None
