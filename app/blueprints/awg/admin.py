"""Staff screens of the tables."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext
from wtforms import FloatField, SelectField
from wtforms.validators import NumberRange, Optional

from app.admin_base import StaffView
from app.blueprints.awg import tables, words
from app.blueprints.awg.models import CableSize, ConduitFill
from app.db import db

SIZES = [(size, tables.size_name(size)) for size in tables.SIZES]
FILL = {tables.fill_column(size): tables.size_name(size) for size in tables.SIZES}
POSITIVE, COUNT = NumberRange(1e-6, 1e6), NumberRange(1, 100_000)
MEASURES = ("dia_in", "dia_mm", "area_kcmil", "area_mm2", "k_ohm_km", "k_ohm_kft")
AMPS = ("amps_60c", "amps_75c", "amps_90c")


def _number(_view: Any, _context: Any, row: CableSize, name: str) -> str:
    return words.number(getattr(row, name), 4)


class CableAdmin(StaffView):
    """The table of cables. ``flask awg seed`` brings back what is missing."""

    column_list = ("awg_size", "material", "line_num", *MEASURES, *AMPS)
    column_details_list = column_list
    column_searchable_list = ("awg_size",)
    column_filters = ("awg_size", "material", "line_num")
    column_sortable_list = ("material", "line_num", *MEASURES, *AMPS)
    column_default_sort = [("material", True), ("area_mm2", False), ("line_num", False)]
    column_formatters = {
        "awg_size": lambda _view, _context, row, _name: row.size_name,
        "material": lambda _view, _context, row, _name: words.MATERIALS[row.material],
        **dict.fromkeys(MEASURES, _number),
    }
    column_formatters_detail = column_formatters
    column_labels = {
        "awg_size": lazy_gettext("AWG"),
        "material": lazy_gettext("Material"),
        "line_num": lazy_gettext("Per phase"),
        "dia_in": lazy_gettext("Diameter (in)"),
        "dia_mm": lazy_gettext("Diameter (mm)"),
        "area_kcmil": lazy_gettext("Area (kcmil)"),
        "area_mm2": lazy_gettext("Area (mm²)"),
        "k_ohm_km": lazy_gettext("Ohms per 1000 m"),
        "k_ohm_kft": lazy_gettext("Ohms per 1000 ft"),
        "amps_60c": lazy_gettext("A at 60 °C"),
        "amps_75c": lazy_gettext("A at 75 °C"),
        "amps_90c": lazy_gettext("A at 90 °C"),
    }
    column_descriptions = {
        "line_num": lazy_gettext("Conductors of a phase. The currents are of all of them together."),
        "k_ohm_km": lazy_gettext("Ohms, not thousands of them, at 20 °C."),
        "k_ohm_kft": lazy_gettext("Ohms, not thousands of them, at 20 °C."),
    }
    form_columns = column_list
    form_overrides = {
        "awg_size": SelectField,
        "material": SelectField,
        **dict.fromkeys(MEASURES, FloatField),  # Flask-Admin knows no floats of SQLAlchemy 2.1
    }
    form_args = {
        "awg_size": {"choices": SIZES},
        "material": {"choices": list(words.MATERIALS.items())},
        "line_num": {"validators": [NumberRange(1, tables.MOST_LINES)]},
        **{name: {"validators": [POSITIVE]} for name in MEASURES},
        **{name: {"validators": [COUNT]} for name in AMPS},
    }


class ConduitAdmin(StaffView):
    """The table of conduits."""

    column_list = ("conduit", "trade_size", *FILL)
    column_details_list = column_list
    column_filters = ("conduit", "trade_size")
    column_sortable_list = ("conduit", *FILL)
    column_default_sort = [("conduit", False), ("awg_14", False)]
    column_formatters = {"conduit": lambda _view, _context, row, _name: row.conduit.upper()}
    column_formatters_detail = column_formatters
    column_labels = {
        "conduit": lazy_gettext("Kind"),
        "trade_size": lazy_gettext("Size (in)"),
        **FILL,
    }
    form_columns = column_list
    form_overrides = {"conduit": SelectField, "trade_size": SelectField}
    form_args = {
        "conduit": {"choices": [(kind, kind.upper()) for kind in tables.CONDUITS]},
        "trade_size": {"choices": [(size, size) for size in tables.TRADE_SIZES]},
        **{name: {"validators": [Optional(), COUNT]} for name in FILL},
    }


def views() -> list[StaffView]:
    """What the admin hangs up, in the order of its menu."""
    category = lazy_gettext("Wire gauges")
    return [
        CableAdmin(CableSize, db, lazy_gettext("Cables"), category, "admin_cable", "cables"),
        ConduitAdmin(ConduitFill, db, lazy_gettext("Conduits"), category, "admin_conduit", "conduits"),
    ]
