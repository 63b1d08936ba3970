"""Times in the staff screens: shown and typed in the site's zone, kept in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask_admin.contrib.sqla import filters as sqla
from flask_admin.contrib.sqla.filters import BaseSQLAFilter, FilterConverter
from flask_admin.contrib.sqla.form import AdminModelConverter
from flask_admin.form.fields import DateTimeField
from flask_admin.model.filters import convert
from flask_admin.model.form import converts
from flask_babel import format_datetime, to_user_timezone, to_utc

FORMAT = "%Y-%m-%d %H:%M:%S"


def as_shown(value: datetime) -> str:
    """A time as people read it, in the site's zone and in the manner of their language."""
    return str(format_datetime(value, "medium"))


def as_typed(value: datetime) -> str:
    """A time as fields hold it and as people type it, in the site's zone."""
    return str(to_user_timezone(value).strftime(FORMAT))


def as_meant(typed: datetime) -> datetime:
    """The aware time that somebody in the site's zone means by a time without one."""
    return to_utc(typed).replace(tzinfo=UTC)


class LocalDateTimeField(DateTimeField):
    """A form field whose ``data`` is aware."""

    data: datetime | None

    def process_formdata(self, valuelist: list[str]) -> None:
        """Read a time in the site's zone."""
        super().process_formdata(valuelist)
        if self.data is not None:
            self.data = as_meant(self.data)

    def _value(self) -> str:
        if self.raw_data:
            return " ".join(self.raw_data)
        return as_typed(self.data) if self.data else ""


class StaffConverter(AdminModelConverter):
    """Columns → form fields, knowing our column of times."""

    @converts("UTCDateTime")
    def conv_utc(self, field_args: dict[str, Any], **_: Any) -> LocalDateTimeField:
        """Use the aware field."""
        return LocalDateTimeField(**field_args)


class _Aware:
    def clean(self, value: str) -> Any:
        """What the database compares with."""
        typed = super().clean(value)  # type: ignore[misc]
        return [as_meant(one) for one in typed] if isinstance(typed, list) else as_meant(typed)


class After(_Aware, sqla.DateTimeGreaterFilter):
    """Later than."""


class Before(_Aware, sqla.DateTimeSmallerFilter):
    """Earlier than."""


class Between(_Aware, sqla.DateTimeBetweenFilter):
    """From … to."""


class StaffFilters(FilterConverter):
    """Columns → list filters, knowing our column of times."""

    @convert("utcdatetime")
    def conv_utc(self, column: Any, name: str, **options: Any) -> list[BaseSQLAFilter]:
        """After, before, between, or never."""
        return [kind(column, name, **options) for kind in (After, Before, Between, sqla.FilterEmpty)]
