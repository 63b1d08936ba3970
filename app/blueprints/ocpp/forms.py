"""What a request to ocpp must hold: pages, periods, filters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flask_babel import gettext, to_utc

from app.blueprints.ocpp.errors import BadParameter
from app.blueprints.ocpp.services import readings, site
from app.blueprints.ocpp.services.drivers import Period
from app.blueprints.ocpp.services.history import Choice
from app.blueprints.ocpp.services.overview import STATES
from app.blueprints.ocpp.services.places import Place

PER_PAGE = 200
MAX_PER_PAGE = 1000
MAX_PAGE = 1_000_000


@dataclass(frozen=True)
class Paging:
    """Which part of a list; pages count from 1."""

    page: int
    per_page: int

    @classmethod
    def parse(cls, given: Mapping[str, str], per_page: int = PER_PAGE) -> Paging:
        """Read ``page`` and ``per_page``."""
        return cls(
            whole(given, "page", 1, highest=MAX_PAGE),
            whole(given, "per_page", per_page, highest=MAX_PER_PAGE),
        )


def whole(given: Mapping[str, str], name: str, default: int, *, lowest: int = 1, highest: int) -> int:
    """A whole number; ``default`` when it is not given. Raises ``BadParameter``."""
    text = given.get(name, "").strip()
    if not text:
        return default
    if re.fullmatch(r"-?[0-9]{1,20}", text) and lowest <= int(text) <= highest:
        return int(text)
    raise BadParameter(
        gettext(
            "%(name)s must be a whole number from %(lowest)s to %(highest)s",
            name=name,
            lowest=lowest,
            highest=highest,
        )
    )


def search_text(given: Mapping[str, str]) -> str:
    """What ``q`` searches for."""
    return given.get("q", "").replace("\0", "").strip()[:200]


def chargers(given: Mapping[str, str]) -> site.Choice:
    """Which chargers: ``q``, ``state``, ``connected``, ``located``, ``charger``. Raises ``BadParameter``."""
    state = given.get("state", "").strip()
    if state and state not in STATES:
        raise BadParameter(gettext("state must be one of %(states)s", states=", ".join(STATES)))
    return site.Choice(
        search_text(given), state, _switch(given, "connected"), _switch(given, "located") is True,
        given.get("charger", "").replace("\0", ""),
    )  # fmt: skip


def choice(given: Mapping[str, str]) -> Choice:
    """Which transactions: ``charger``, ``account``, ``since``, ``until``, ``running``.

    A day is one in the site's zone, and ``until`` includes it; a time without zone is taken there too.
    Raises ``BadParameter``.
    """
    since, until = _period(given)
    return Choice(
        charger=_plain(given, "charger"),
        account=_plain(given, "account"),
        since=since,
        until=until,
        running=_switch(given, "running"),
    )


def reading_choice(given: Mapping[str, str]) -> readings.Choice:
    """Which readings: ``charger``, ``transaction``, ``measurand``, and ``since`` and ``until`` as above.

    Raises ``BadParameter``.
    """
    since, until = _period(given)
    return readings.Choice(
        charger=_plain(given, "charger"),
        transaction=whole(given, "transaction", 0, highest=2**31 - 1) or None,
        measurand=_plain(given, "measurand"),
        since=since,
        until=until,
    )


def cursor(given: Mapping[str, str]) -> Place | None:
    """Where a list goes on: a ``next`` that it has told. Raises ``BadParameter``."""
    text = given.get("cursor", "").strip()
    found = Place.parse(text)
    if text and found is None:
        raise BadParameter(gettext("%(name)s must be the next of an answer", name="cursor"))
    return found


def wants_csv(given: Mapping[str, str]) -> bool:
    """Whether ``format`` asks for CSV. Raises ``BadParameter``."""
    text = given.get("format", "").strip().lower()
    if text not in ("", "json", "csv"):
        raise BadParameter(gettext("%(name)s must be csv or json", name="format"))
    return text == "csv"


@dataclass(frozen=True)
class PeriodForm:
    """The days from ``since`` to ``until``, both included, as they were typed, and what is wrong."""

    since: str
    until: str
    period: Period
    errors: Mapping[str, str]

    @classmethod
    def parse(cls, given: Mapping[str, str]) -> PeriodForm:
        """Read ``since`` and ``until``. Raises nothing: a page shows what is wrong beside its field."""
        typed = {name: given.get(name, "").replace("\0", "").strip() for name in ("since", "until")}
        found: dict[str, datetime | None] = {}
        errors: dict[str, str] = {}
        for name in typed:
            try:
                found[name] = _time(typed, name, end=name == "until")
            except BadParameter:
                found[name], errors[name] = None, gettext("Enter a day, such as 2026-01-31.")
        since, until = found["since"], found["until"]
        if since and until and until <= since:
            errors["until"] = gettext("This is before the first day.")
        return cls(typed["since"][:40], typed["until"][:40], Period(since, until), errors)

    @property
    def arguments(self) -> dict[str, str]:
        """For links that keep the period."""
        return {name: text for name, text in (("since", self.since), ("until", self.until)) if text}


def _period(given: Mapping[str, str]) -> tuple[datetime | None, datetime | None]:
    since, until = _time(given, "since", end=False), _time(given, "until", end=True)
    if since and until and until <= since:
        raise BadParameter(gettext("until is before since"))
    return since, until


def _plain(given: Mapping[str, str], name: str) -> str:
    return given.get(name, "").replace("\0", "")


def _time(given: Mapping[str, str], name: str, *, end: bool) -> datetime | None:
    text = given.get(name, "").strip()
    if not text:
        return None
    # A + that nobody escaped arrives as a space.
    text = re.sub(r" (\d\d:?\d\d)$", r"+\1", text) if "T" in text else text
    try:
        at = datetime.fromisoformat(text)
        if end and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}", text):
            at += timedelta(days=1)
        return to_utc(at).replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise BadParameter(
            gettext("%(name)s must be a day or a time, such as 2026-01-31 or 2026-01-31T08:00:00Z", name=name)
        ) from None


def _switch(given: Mapping[str, str], name: str) -> bool | None:
    text = given.get(name, "").strip().lower()
    if not text:
        return None
    if text in ("1", "true", "yes", "on"):
        return True
    if text in ("0", "false", "no", "off"):
        return False
    raise BadParameter(gettext("%(name)s must be 1 or 0", name=name))
