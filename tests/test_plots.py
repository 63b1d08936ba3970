"""Plots: what is drawn where, in whose words, and that nothing in them needs what the policy forbids."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from xml.etree import ElementTree

import pytest
from flask import Flask, render_template_string

from app import plots
from app.plots import Plot

NOON = datetime(2026, 1, 10, 12, 0, tzinfo=UTC)
SVG = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True)
class Point:
    """What a charger metered."""

    at: datetime
    power_w: int | None = None
    energy_wh: int | None = None


def session(*told: tuple[float, int | None, int | None]) -> list[Point]:
    """(minute, W, Wh)."""
    return [Point(NOON + timedelta(minutes=minute), power, energy) for minute, power, energy in told]


@pytest.fixture(params=["en"])
def reader(app: Flask, request: pytest.FixtureRequest) -> Iterator[str]:
    """Somebody who reads a page, in English unless the test asks for another language."""
    with app.test_request_context(headers={"Accept-Language": request.param}):
        yield request.param


in_spanish = pytest.mark.parametrize("reader", ["es"], indirect=True)


def drawn(plot: Plot) -> str:
    return render_template_string(
        '{% from "_macros/plots.html" import plot with context %}{{ plot(picture, "p1") }}', picture=plot
    )


@pytest.mark.usefixtures("reader")
def test_power_is_a_line_in_a_square_whose_top_is_a_round_number() -> None:
    plot = plots.power_curve(session((0, 0, 0), (30, 3000, 1000), (60, 6000, 4000)), NOON)

    assert plot is not None
    area, power, energy = plot.shapes
    assert (power.kind, power.path) == ("power", "M0 1000L500 500L1000 0")
    assert (area.kind, area.path) == ("power-area", "M0 1000L0 1000L500 500L1000 0L1000 1000Z")
    assert (energy.kind, energy.path) == ("energy", "M0 1000L500 833L1000 333")
    assert [row.text for row in plot.rows] == ["0 kW", "2 kW", "4 kW", "6 kW"]
    assert [row.other for row in plot.rows] == ["0 kWh", "2 kWh", "4 kWh", "6 kWh"]


@pytest.mark.usefixtures("reader")
def test_times_of_the_axis_are_round_and_few() -> None:
    plot = plots.power_curve(session((7, 1, 1), (200, 1, 1)), NOON + timedelta(minutes=7))

    assert plot is not None
    assert [column.text for column in plot.columns] == ["1:00\u202fPM", "2:00\u202fPM", "3:00\u202fPM"]
    assert plot.columns[0].percent == pytest.approx(100 * 53 / 193, abs=0.01)


@pytest.mark.parametrize("minutes", [0.02, 1, 10, 59, 180, 1440, 40_000, 20_000_000])
@pytest.mark.usefixtures("reader")
def test_labels_fit_however_long_the_session(minutes: float) -> None:
    plot = plots.power_curve(session((0, 1, 1), (minutes, 7, 7)), NOON)

    assert plot is not None
    assert len(plot.columns) <= plots.COLUMNS + 1
    assert all(0 <= column.percent <= 100 for column in plot.columns)


@in_spanish
def test_a_plot_speaks_the_readers_language_in_the_zone_of_the_pages(app: Flask, reader: str) -> None:
    plot = plots.power_curve(session((0, 7350, 0), (60, 1500, 4425)), NOON)

    assert plot is not None
    assert plot.title == "Potencia y energía en el tiempo"
    assert plot.table[0] == ("12:00:00\u202fp.m.", "7.4 kW", "0 kWh")
    assert plot.description == "Potencia entre 1.5 kW y 7.4 kW, 1.5 kW al final; 4.43 kWh en total."


@pytest.mark.usefixtures("reader")
def test_a_curve_needs_two_moments() -> None:
    for points in (
        [],
        session((1, 5, 5)),
        session((1, 5, 5), (1, 6, 6)),
        session((1, None, 5), (2, None, 6)),
    ):
        assert plots.power_curve(points, NOON) is None


@pytest.mark.usefixtures("reader")
def test_what_was_not_told_is_left_out() -> None:
    plot = plots.power_curve(session((0, 1000, None), (1, None, None), (2, 3000, None)), NOON)

    assert plot is not None
    assert [shape.kind for shape in plot.shapes] == ["power-area", "power"]
    assert plot.legend == [("power", "Power")]
    assert plot.table[1][1:] == ("", "")


@pytest.mark.usefixtures("reader")
def test_the_table_is_short_and_ends_with_the_last_point() -> None:
    plot = plots.power_curve(session(*((minute, minute, minute) for minute in range(180))), NOON)

    assert plot is not None
    assert len(plot.table) <= plots.TABLE_ROWS
    assert plot.table[-1][0] == "2:59:00\u202fPM"


@pytest.mark.usefixtures("reader")
def test_days_are_bars() -> None:
    days = [(date(2026, 1, 1) + timedelta(days=number), wh) for number, wh in enumerate((0, 5000, 0, 10_000))]

    plot = plots.energy_per_day(days)

    assert plot is not None
    assert [(bar.x, bar.width, bar.height) for bar in plot.bars] == [(275, 200, 500), (775, 200, 1000)]
    assert plot.bars[1].text == "Jan 4, 2026: 10 kWh"
    assert [column.text for column in plot.columns] == ["1 Jan", "2 Jan", "3 Jan", "4 Jan"]
    assert plot.table == [("Jan 4, 2026", "10 kWh"), ("Jan 2, 2026", "5 kWh")]
    assert "15 kWh on the 4 days" in plot.description
    assert plots.energy_per_day([(day, 0) for day, _ in days]) is None


@pytest.mark.usefixtures("reader")
def test_a_drawn_plot_is_named_described_and_quiet() -> None:
    plot = plots.power_curve(session((0, 0, 0), (60, 6000, 4000)), NOON)
    assert plot is not None

    html = drawn(plot)

    svg = ElementTree.fromstring(
        html[html.index("<svg") : html.index("<figcaption")].replace("<svg", f'<svg xmlns="{SVG[1:-1]}"')
    )
    assert (svg.get("role"), svg.get("aria-labelledby"), svg.get("aria-describedby")) == (
        "img", "p1-title", "p1-description",
    )  # fmt: skip
    assert svg.findtext(f"{SVG}title") == plot.title
    assert svg.findtext(f"{SVG}desc") == plot.description
    assert html.count("<td") == 6
    assert not re.search(r"<style|<script|\son\w+=|(?:fill|stroke)=|https?://", html)
    assert len(html) < 6000
