"""Plots for pages: what is to be seen, worked out here and drawn as SVG by ``_macros/plots.html``.

Shapes are drawn in a square of 1000 by 1000 that is stretched to the width of the page; places of labels are
in per cent of it. Colours are CSS variables, so that a plot follows the theme. Words and numbers are the
reader's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from math import ceil, floor, log10
from typing import Protocol

from flask_babel import (
    format_date,
    format_datetime,
    format_decimal,
    format_time,
    gettext,
    ngettext,
    to_user_timezone,
)

SIDE = 1000
# Rows of the table that says the same as a plot.
TABLE_ROWS = 24
# Labels that fit under a plot on a phone.
COLUMNS = 4
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
STEPS = (
    *(MINUTE * count for count in (1, 2, 5, 10, 15, 30)),
    *(HOUR * count for count in (1, 2, 3, 6, 12)),
    *(DAY * count for count in (1, 2, 5, 10, 30, 90, 365)),
)
# The top of a scale is at least 1 kW, or 1 kWh.
LEAST = 1000
LEAST_SESSIONS = 4
# Steps of a scale, and those that are whole whatever their size.
ROUND, WHOLE = (1, 2, 2.5, 5, 10), (1, 2, 5, 10)
# The top, and (part of the height, value) of each line.
Scale = tuple[float, list[tuple[float, float]]]
# A bar's part of its day.
BAR = 0.8


class Metered(Protocol):
    """What a charger metered at one moment; None where it did not say."""

    @property
    def at(self) -> datetime:
        """When."""

    @property
    def power_w(self) -> int | None:
        """Drawn then."""

    @property
    def energy_wh(self) -> int | None:
        """Taken until then."""


@dataclass(frozen=True)
class Label:
    """A text beside a plot, so far from its left or upper edge."""

    percent: float
    text: str
    # For a second scale, at the right edge.
    other: str = ""

    @property
    def anchor(self) -> str:
        """Which part of the text is at the place: none may stand out at either end."""
        return "start" if self.percent < 8 else "end" if self.percent > 92 else "middle"


@dataclass(frozen=True)
class Shape:
    """An SVG path; ``kind`` is its style in plots.css: power, power-area, energy."""

    kind: str
    path: str


@dataclass(frozen=True)
class Bar:
    """A rectangle that stands on the lower edge."""

    x: float
    width: float
    height: float
    text: str


@dataclass(frozen=True)
class Plot:
    """Everything that is to be drawn, and the same in words."""

    title: str
    description: str
    rows: Sequence[Label]
    columns: Sequence[Label]
    head: Sequence[str]
    table: Sequence[Sequence[str]]
    shapes: Sequence[Shape] = ()
    bars: Sequence[Bar] = ()
    # Kind of shape → what it shows.
    legend: Sequence[tuple[str, str]] = ()


def power_curve(points: Sequence[Metered], since: datetime) -> Plot | None:
    """Power, and the energy taken, over a session that began at ``since``; None while there is no curve yet.

    ``points`` are in the order of their time.
    """
    powers = [(point.at, point.power_w) for point in points if point.power_w is not None]
    if len(powers) < 2 or powers[0][0] == powers[-1][0]:
        return None
    energies = [(point.at, point.energy_wh) for point in points if point.energy_wh is not None]
    since, until = min(since, points[0].at), points[-1].at
    top_w, rows_w = _scale(max(power for _, power in powers))
    top_wh, rows_wh = _scale(max((energy for _, energy in energies), default=0), len(rows_w) - 1)
    line = _path(powers, since, until, top_w)
    area = f"M{line[1:].partition(' ')[0]} {SIDE}L{line[1:]}L{_x(powers[-1][0], since, until)} {SIDE}Z"
    return Plot(
        title=gettext("Power and energy over time"),
        description=_curve_in_words(powers, energies),
        rows=[
            Label(100 * (1 - place), _kilo(left, "kW"), _kilo(right, "kWh") if energies else "")
            for (place, left), (_, right) in zip(rows_w, rows_wh, strict=True)
        ],
        columns=list(_times(since, until)),
        head=(gettext("Time"), gettext("Power"), gettext("Energy")),
        table=[
            (_moment(point.at, since, until), _told(point.power_w, "kW", 1), _told(point.energy_wh, "kWh", 2))
            for point in _some(points)
        ],
        shapes=[
            Shape("power-area", area), Shape("power", line),
            *([Shape("energy", _path(energies, since, until, top_wh))] if len(energies) > 1 else []),
        ],
        legend=[("power", gettext("Power")), *([("energy", gettext("Energy"))] if energies else [])],
    )  # fmt: skip


def energy_per_day(days: Sequence[tuple[date, int]]) -> Plot | None:
    """The Wh of each day, as bars; the days follow each other. None when there was nothing on any of them."""
    total = _told(sum(energy_wh for _, energy_wh in days), "kWh", 2)
    return _per_day(
        days, gettext("Energy per day"), gettext("Energy"), total,
        _scale(max((energy_wh for _, energy_wh in days), default=0)),
        lambda wh: _kilo(wh, "kWh"), lambda wh: _told(wh, "kWh", 2),
    )  # fmt: skip


def sessions_per_day(days: Sequence[tuple[date, int]]) -> Plot | None:
    """How many sessions began on each day, as ``energy_per_day``."""
    count = sum(sessions for _, sessions in days)
    total = ngettext("%(num)s session", "%(num)s sessions", count)
    highest = max((sessions for _, sessions in days), default=0)
    return _per_day(
        days, gettext("Sessions per day"), gettext("Sessions"), total,
        _scale(highest, least=LEAST_SESSIONS, factors=WHOLE),
        lambda number: str(format_decimal(round(number))), lambda number: str(format_decimal(number)),
    )  # fmt: skip


def _per_day(
    days: Sequence[tuple[date, int]], title: str, head: str, total: str, scale: Scale,
    on_scale: Callable[[float], str], told: Callable[[int], str],
) -> Plot | None:  # fmt: skip
    if not any(value for _, value in days):
        return None
    top, rows = scale
    width = SIDE / len(days)
    every = ceil(len(days) / COLUMNS)
    return Plot(
        title=title,
        description=gettext(
            "%(total)s on the %(days)s days from %(first)s to %(last)s.",
            total=total, days=len(days),
            first=format_date(days[0][0], "medium"), last=format_date(days[-1][0], "medium"),
        ),
        rows=[Label(100 * (1 - place), on_scale(value)) for place, value in rows],
        columns=[
            Label(100 * (number + 0.5) / len(days), format_date(day, "d MMM"))
            for number, (day, _) in enumerate(days) if (len(days) - 1 - number) % every == 0
        ],
        head=(gettext("Day"), head),
        table=[(format_date(day, "medium"), told(value)) for day, value in reversed(days) if value],
        bars=[
            Bar(
                round(width * (number + (1 - BAR) / 2), 1), round(width * BAR, 1),
                round(SIDE * value / top, 1),
                f"{format_date(day, 'medium')}: {told(value)}",
            )
            for number, (day, value) in enumerate(days) if value
        ],
    )  # fmt: skip


def _scale(
    highest: float, parts: int | None = None, least: float = LEAST, factors: Sequence[float] = ROUND
) -> Scale:
    """A round number above ``highest``, and where the lines are: (part of the height, value).

    ``parts``: as many as another scale has.
    """
    wanted = max(highest, least) / (parts or 4)
    size: float = 10 ** floor(log10(wanted))
    step = next(size * factor for factor in factors if size * factor >= wanted * 0.999999)
    count = parts or max(1, ceil(highest / step))
    return step * count, [(number / count, step * number) for number in range(count + 1)]


def _path(values: Iterable[tuple[datetime, int]], since: datetime, until: datetime, top: float) -> str:
    places = (f"{_x(at, since, until)} {round(SIDE * (1 - value / top))}" for at, value in values)
    return "M" + "L".join(places)


def _x(at: datetime, since: datetime, until: datetime) -> int:
    return round(SIDE * ((at - since) / (until - since)))


def _times(since: datetime, until: datetime) -> Iterator[Label]:
    """Round times of the reader's clock."""
    length = until - since
    step = next((step for step in STEPS if length / step <= COLUMNS), length / COLUMNS)
    midnight = to_user_timezone(since).replace(hour=0, minute=0, second=0, microsecond=0)
    at = midnight + step * ceil((to_user_timezone(since) - midnight) / step)
    while at <= until:
        text = format_date(at, "d MMM") if step >= DAY else format_time(at, "short")
        yield Label(round(100 * ((at - since) / length), 2), text)
        at += step


def _moment(at: datetime, since: datetime, until: datetime) -> str:
    """A time of day; with the day where there are several."""
    several = to_user_timezone(since).date() != to_user_timezone(until).date()
    return str(format_datetime(at, "short") if several else format_time(at, "medium"))


def _some(points: Sequence[Metered]) -> Iterator[Metered]:
    """As many as a table can hold, the last one among them."""
    every = ceil(len(points) / TABLE_ROWS)
    return (point for number, point in enumerate(points, 1) if (len(points) - number) % every == 0)


def _curve_in_words(powers: Sequence[tuple[datetime, int]], energies: Sequence[tuple[datetime, int]]) -> str:
    values = [power for _, power in powers]
    return gettext(
        "Power between %(lowest)s and %(highest)s, %(last)s in the end; %(energy)s taken.",
        lowest=_told(min(values), "kW", 1), highest=_told(max(values), "kW", 1),
        last=_told(values[-1], "kW", 1), energy=_told(energies[-1][1] if energies else 0, "kWh", 2),
    )  # fmt: skip


def _told(value: int | None, unit: str, digits: int) -> str:
    """Thousandths, rounded as the page around the plot rounds them."""
    if value is None:
        return ""
    rounded = (Decimal(value) / 1000).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return f"{format_decimal(rounded)} {unit}"


def _kilo(value: float, unit: str) -> str:
    """A round number of a scale."""
    return f"{format_decimal(Decimal(str(round(value / 1000, 6))).normalize())} {unit}"
