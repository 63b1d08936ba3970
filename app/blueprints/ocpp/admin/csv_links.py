"""Links from a staff screen to the same rows as a CSV file, which the API makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from flask import url_for
from flask_babel import gettext

from app.admin_times import After, Before, Between
from app.blueprints.ocpp.admin.filters import OfAccount, OfCharger


class Download(NamedTuple):
    """A link."""

    text: str
    address: str


class CsvLinks:
    """The part of a list that offers its rows as CSV: ``csv_endpoint`` takes the same filters."""

    list_template = "ocpp/admin/history.html"
    csv_endpoint: str

    def render(self, template: str, **kwargs: Any) -> Any:
        """Tell the list which files there are."""
        if template == self.list_template:
            kwargs["downloads"] = list(self._downloads(kwargs.get("active_filters") or ()))
        return super().render(template, **kwargs)  # type: ignore[misc]

    def _downloads(self, active: Sequence[tuple[int, str, str]]) -> list[Download]:
        """What is shown, unless the API knows no such filter; and all."""
        view: Any = self
        everything = url_for(self.csv_endpoint, format="csv")
        if not active:
            return [Download(gettext("Download CSV"), everything)]
        found = [Download(gettext("Download all as CSV"), everything)]
        arguments: dict[str, Any] = {}
        for index, _, value in active:
            told = _arguments(view._filters[index], value)
            if not told or told.keys() & arguments.keys():
                return found
            arguments |= told
        shown = url_for(self.csv_endpoint, format="csv", **arguments)
        return [Download(gettext("Download what is shown as CSV"), shown), *found]


def _arguments(chosen: Any, value: str) -> dict[str, str]:
    """A list's filter in the words of the API; none, when it has no words for it."""
    value = value.strip()
    if isinstance(chosen, OfCharger):
        return {"charger": value}
    if isinstance(chosen, OfAccount):
        return {} if value.isdecimal() else {"account": value}  # digits would be an account's id
    if getattr(chosen.column, "key", "") != "started_at":
        return {}
    if isinstance(chosen, After):
        return {"since": value}
    if isinstance(chosen, Before):
        return {"until": value}
    since, is_between, until = value.partition(" to ")
    return {"since": since, "until": until} if isinstance(chosen, Between) and is_between else {}
