"""What staff enter for an account: credit, each form once; and cars."""

from __future__ import annotations

import re
import uuid
from typing import Any

from flask_admin.form import BaseForm
from flask_babel import lazy_gettext
from wtforms import DecimalField, Field, Form, HiddenField, StringField, ValidationError
from wtforms.validators import DataRequired, InputRequired, Length, StopValidation

from app.blueprints.accounts.admin.picking import staff
from app.blueprints.accounts.errors import AddedAlready, BadAmount, BadVin, VinTaken
from app.blueprints.accounts.models import Account, Credit
from app.blueprints.accounts.services import credit, vehicles
from app.db import UnitOfWork, db

NEGATIVE = lazy_gettext("A negative amount takes credit away, or corrects a mistake.")


class FormKeyField(HiddenField):
    """Which form this is: each page that shows one makes its own key."""

    def __init__(self, label: Any = None, **options: Any) -> None:
        super().__init__(label, default=_new_key, **options)

    def process_formdata(self, valuelist: list[str]) -> None:
        """Take a key of ours; what is none is no reason to refuse."""
        if valuelist and re.fullmatch(r"[0-9a-f-]{36}", valuelist[0]):
            self.data = valuelist[0]

    def renew(self) -> None:
        """Be another form."""
        self.data = _new_key()


def _new_key() -> str:
    return str(uuid.uuid4())


def is_amount(_form: Form, field: Field) -> None:
    """Refuse what is no amount of credit."""
    if field.data is None:  # no number: the field has said so
        return
    try:
        credit.parse_amount(field.data)
    except BadAmount as error:
        raise ValidationError(error.detail) from error


def is_free_vin(form: Form, field: Field) -> None:
    """Refuse what is no VIN, or another car's."""
    try:
        field.data = vehicles.free_vin(db.session(), field.data or "", getattr(form, "_obj", None))
    except (BadVin, VinTaken) as error:
        raise StopValidation(error.detail) from error


def stripped(text: str | None) -> str | None:
    """Without the spaces around it."""
    return text.strip() if text else text


class CreditForm(BaseForm):
    """Credit for the account whose page this is on."""

    amount_kwh = DecimalField(
        lazy_gettext("Amount (kWh)"), [InputRequired(), is_amount], description=NEGATIVE
    )
    form_key = FormKeyField()


class VehicleForm(BaseForm):
    """A car for the account whose page this is on."""

    brand = StringField(lazy_gettext("Brand"), [DataRequired(), Length(max=100)], filters=[stripped])
    model = StringField(lazy_gettext("Model"), [DataRequired(), Length(max=100)], filters=[stripped])
    vin = StringField(lazy_gettext("VIN"), [DataRequired(), is_free_vin])


def enter_credit(work: UnitOfWork, account: Account, form: Form) -> Credit:
    """Add what a form asks for, by whoever is logged in.

    Raises ``AddedAlready`` when the form is sent again. It becomes another form then; an empty one where
    nothing in it was changed, since one more click must not add anything.
    """
    try:
        return credit.add_credit(work, account, form.amount_kwh.data, staff(), form.form_key.data)
    except AddedAlready as again:
        form.form_key.renew()
        if (again.credit.account_id, again.credit.amount_kwh) == (account.id, form.amount_kwh.data):
            form.amount_kwh.data = form.amount_kwh.raw_data = None
        raise
