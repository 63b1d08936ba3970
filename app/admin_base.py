"""Base classes of the staff screens: who may see them, how they write, and what every edit leaves behind.

A domain's view says *what* (columns, filters, ``form_columns``). Where a service knows how a row is made,
changed or removed, it overrides ``make``, ``change`` or ``remove``; its actions call ``change_each``. Every
write is one unit of work, audit entry included. A ``DomainError`` out of any of these becomes a flash.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar, cast

from flask import flash, redirect, request, url_for
from flask_admin import AdminIndexView, BaseView
from flask_admin.actions import action
from flask_admin.babel import lazy_gettext as admin_gettext
from flask_admin.contrib.sqla import ModelView
from flask_admin.contrib.sqla.ajax import QueryAjaxModelLoader
from flask_admin.model.typefmt import BASE_FORMATTERS, DETAIL_FORMATTERS
from flask_babel import format_date, format_decimal, gettext, ngettext
from markupsafe import Markup
from sqlalchemy import delete, inspect
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.orm.exc import ObjectDeletedError, StaleDataError
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.wrappers import Response
from wtforms import Form, ValidationError

from app import access
from app.admin_times import StaffConverter, StaffFilters, as_shown
from app.blueprints.accounts.services import audit
from app.db import UnitOfWork, db, is_full, unit_of_work
from app.domain_error import DomainError

if TYPE_CHECKING:
    from app.blueprints.accounts.models import User

Result = TypeVar("Result")
# Parameters of url_for and of the functions around it.
NOT_OURS = {"self", "endpoint", "values", "export_type", "_anchor", "_external", "_method", "_scheme"}
# Values in the manner of the reader's language.
READABLE = {
    datetime: lambda _view, value, _name: as_shown(value),
    date: lambda _view, value, _name: format_date(value, "medium"),
    Decimal: lambda _view, value, _name: format_decimal(value),
    bool: lambda _view, value, _name: yes_or_no(value),
}


def yes_or_no(value: bool) -> Markup:
    """A mark that can be seen, and heard."""
    mark, word = ("check", gettext("yes")) if value else ("minus", gettext("no"))
    return Markup(
        '<span class="fa fa-{}-circle" aria-hidden="true"></span><span class="sr-only">{}</span>'
    ).format(mark, word)


class _Staff:
    """Staff with a login of their own; a token or a stranger gets no further."""

    def is_accessible(self) -> bool:
        """Whether the caller may see this view."""
        who = access.caller()
        return who.is_staff and not who.by_token

    def inaccessible_callback(self, name: str, **kwargs: Any) -> Response:
        """Send strangers to the login page; the others are told no."""
        if access.caller().user is None:
            return redirect(url_for("login.login", next=request.full_path.rstrip("?")))
        raise access.Forbidden

    def _run_view(self, view: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Answer 400 to what the database cannot hold: a NUL, a number beyond its range."""
        # Flask-Admin hands every parameter of the address on to url_for, which must not take one for its own.
        known = [(name, text) for name, text in request.args.items(multi=True) if name not in NOT_OURS]
        request.args = ImmutableMultiDict(known)
        try:
            return view(self, *args, **kwargs)
        except (DataError, OverflowError) as error:
            db.session.rollback()
            raise DomainError(gettext("one of the values does not fit")) from error


class StaffHome(_Staff, AdminIndexView):
    """The admin's first page."""


class StaffPage(_Staff, BaseView):
    """A page of the admin that is no table."""


class PickedThrough(QueryAjaxModelLoader):
    """Rows that have no name of their own are picked by what they belong to: accounts by their users."""

    def __init__(self, relation: Any, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._relation = relation

    def get_query(self) -> Any:
        """Every row, with what it belongs to at hand to search by."""
        return super().get_query().join(self._relation)


class StaffView(_Staff, ModelView):
    """A table that staff may look at and edit. Pass ``db``, and an endpoint that no blueprint has."""

    page_size = 50
    can_set_page_size = True
    can_view_details = True
    model_form_converter = StaffConverter
    filter_converter = StaffFilters()
    column_type_formatters = BASE_FORMATTERS | READABLE
    column_type_formatters_detail = DETAIL_FORMATTERS | READABLE

    # What a domain may override

    def make(self, work: UnitOfWork, form: Form) -> Any:
        """A new row from the form, added to ``work``."""
        row = self.build_new_instance()
        form.populate_obj(row)
        work.add(row)
        return row

    def change(self, work: UnitOfWork, form: Form, row: Any) -> None:
        """Write the form into the row."""
        form.populate_obj(row)

    def remove(self, work: UnitOfWork, row: Any) -> None:
        """Delete this row and no other: where something still refers to it, the database refuses.

        Not ``work.delete``, which would first cut the referring rows loose.
        """
        mapper = inspect(type(row))
        key = zip(mapper.primary_key, mapper.primary_key_from_instance(row), strict=True)
        work.execute(delete(type(row)).where(*(column == value for column, value in key)))

    # Writing

    def create_model(self, form: Form) -> Any:
        """Make a row; False when it was refused."""

        def write(work: UnitOfWork) -> Any:
            row = self.make(work, form)
            self.on_model_change(form, row, True)
            work.flush()  # the trail names the id
            self.audit(work, "create", row, audit.changes({}, audit.values(row)))
            return row

        row = self.written(write)
        if row is not None:
            self.after_model_change(form, row, True)
        return row or False

    def update_model(self, form: Form, model: Any) -> bool:
        """Change a row; False when it was refused."""

        def write(work: UnitOfWork) -> bool:
            before = audit.values(model)
            self.change(work, form, model)
            self.on_model_change(form, model, False)
            self._audit_update(work, "update", model, before)
            return True

        saved = bool(self.written(write))
        if saved:
            self.after_model_change(form, model, False)
        return saved

    def delete_model(self, model: Any) -> bool:
        """Delete a row that nothing refers to; False when it was refused."""

        def write(work: UnitOfWork) -> bool:
            before = audit.values(model)
            self.audit(work, "delete", model, audit.changes(before, {}))
            self.on_model_delete(model)
            self.remove(work, model)
            return True

        gone = bool(self.written(write, conflict=gettext("This has history, so it cannot be deleted.")))
        if gone:
            self.after_model_delete(model)
        return gone

    def change_each(self, ids: Sequence[str], name: str, change: Callable[[UnitOfWork, Any], None]) -> int:
        """Apply an action to the selected rows, all or none, with an audit entry ``name`` each.

        Return how many there were.
        """

        def write(work: UnitOfWork) -> int:
            rows = [row for row in map(self.get_one, ids) if row is not None]
            for row in rows:
                before = audit.values(row)
                change(work, row)
                self._audit_update(work, name, row, before)
            return len(rows)

        return self.written(write) or 0

    def written(self, write: Callable[[UnitOfWork], Result], conflict: str = "") -> Result | None:
        """Run ``write`` in one unit of work. A refusal is flashed, and the answer is None."""
        try:
            with unit_of_work() as work:
                return write(work)
        except DomainError as refusal:
            flash(refusal.detail, "error")
        except ValidationError as refusal:
            flash(str(refusal), "error")
        except IntegrityError:
            flash(
                conflict or gettext("Another row has this already, or something that it needs is missing."),
                "error",
            )
        except (ObjectDeletedError, StaleDataError):
            flash(gettext("Somebody else has deleted this."), "error")
        except (DataError, OverflowError):
            flash(gettext("one of the values does not fit"), "error")
        except DBAPIError as error:
            if not is_full(error):
                raise
            flash(gettext("The disk is full: nothing can be stored until there is room."), "error")
        return None

    def audit(self, work: UnitOfWork, name: str, row: Any, details: dict[str, Any]) -> None:
        """Remember what the member of staff behind this request does to a row."""
        (row_id,) = inspect(type(row)).primary_key_from_instance(row)
        who = cast("User | None", access.caller().user)
        audit.record(work, who, name, row.__tablename__, row_id, details)

    def _audit_update(self, work: UnitOfWork, name: str, row: Any, before: dict[str, Any]) -> None:
        work.flush()  # relationships become the columns that the trail names
        if changed := audit.changes(before, audit.values(row)):
            self.audit(work, name, row, changed)

    # Reading

    def get_one(self, id: Any) -> Any:
        """The row with this id; None when there is none, or when it is no id at all."""
        return super().get_one(id) if re.fullmatch(r"\d{1,18}", str(id)) else None

    @action(
        "delete", admin_gettext("Delete"), admin_gettext("Are you sure you want to delete selected records?")
    )
    def action_delete(self, ids: Sequence[str]) -> None:
        """Delete the selected rows, each for itself: one that is refused does not keep the others."""
        rows = [row for row in map(self.get_one, ids) if row is not None]
        if count := sum(self.delete_model(row) for row in rows):
            flash(ngettext("%(num)d deleted.", "%(num)d deleted.", count), "success")
