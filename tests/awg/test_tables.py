"""The tables: rows that everybody can look up, and that migration and command make the same ones."""

from __future__ import annotations

from itertools import pairwise

import pytest
from sqlalchemy import delete, func, select

from app.blueprints.awg import services, tables
from app.blueprints.awg.models import CableSize, ConduitFill
from tests.databases import both_databases

CABLES = {(row["awg_size"], row["material"], row["line_num"]): row for row in tables.cables()}
FILL = {
    (row["conduit"], row["trade_size"]): [row[tables.fill_column(size)] for size in tables.SIZES]
    for row in tables.conduits()
}


@pytest.fixture
def seeded(work):
    """Tables as the migration leaves them, on either database."""
    services.seed(work, reset=True)
    return work


# Cables (NEC chapter 9, table 8, and table 310.16)


@pytest.mark.parametrize(
    ("size", "dia_in", "dia_mm", "circular_mils", "mm2"),
    [
        ("14", 0.0641, 1.628, 4110, 2.08), ("12", 0.0808, 2.053, 6530, 3.31),
        ("10", 0.1019, 2.588, 10380, 5.261), ("8", 0.1285, 3.264, 16510, 8.367),
        ("4", 0.2043, 5.189, 41740, 21.15), ("1", 0.2893, 7.348, 83690, 42.41),
        ("-1", 0.3249, 8.252, 105600, 53.49), ("-4", 0.46, 11.684, 211600, 107.2),
    ],
)  # fmt: skip
def test_the_measures_of_well_known_sizes(size, dia_in, dia_mm, circular_mils, mm2):
    row = CABLES[size, "cu", 1]

    assert row["dia_in"] == pytest.approx(dia_in, rel=1e-3)
    assert row["dia_mm"] == pytest.approx(dia_mm, rel=1e-3)
    assert row["area_kcmil"] * 1000 == pytest.approx(circular_mils, rel=1e-3)
    assert row["area_mm2"] == pytest.approx(mm2, rel=1e-3)


@pytest.mark.parametrize(
    ("size", "material", "ohm_km", "ohm_kft"),
    [
        ("12", "cu", 5.21, 1.588),
        ("10", "cu", 3.277, 0.9989),
        ("-4", "cu", 0.1608, 0.0490),
        ("12", "al", 8.54, 2.60),
    ],
)  # fmt: skip
def test_the_resistance_of_well_known_sizes_in_ohms(size, material, ohm_km, ohm_kft):
    row = CABLES[size, material, 1]

    assert row["k_ohm_km"] == pytest.approx(ohm_km, rel=2e-3)
    assert row["k_ohm_kft"] == pytest.approx(ohm_kft, rel=2e-3)


@pytest.mark.parametrize(
    ("cable", "amps"),
    [
        (("14", "cu", 1), (15, 20, 25)), (("8", "cu", 1), (40, 50, 55)), (("3", "cu", 1), (85, 100, 115)),
        (("-4", "cu", 1), (195, 230, 260)), (("12", "al", 1), (15, 20, 25)),
        (("-4", "al", 1), (150, 180, 205)),
        (("-1", "cu", 2), (200, 240, 272)), (("-1", "cu", 3), (262, 315, 357)),
        (("-3", "al", 3), (273, 325, 367)),
    ],
)  # fmt: skip
def test_the_ampacity_of_well_known_sizes(cable, amps):
    row = CABLES[cable]

    assert (row["amps_60c"], row["amps_75c"], row["amps_90c"]) == amps


def test_which_cables_there_are():
    assert len(CABLES) == 41
    assert ("14", "al", 1) not in CABLES  # nobody makes it
    assert {size for size, _, lines in CABLES if lines > 1} == {"-1", "-2", "-3", "-4"}
    thin = [CABLES[size, "cu", 1]["area_mm2"] for size in tables.SIZES]
    assert thin == sorted(thin)


def test_sizes_have_names():
    assert [tables.size_name(size) for size in ("14", "1", "-1", "-4")] == ["14", "1", "1/0", "4/0"]
    assert [tables.fill_column(size) for size in ("14", "-1", "-4")] == ["awg_14", "awg_0", "awg_0000"]


# Conduits (NEC annex C, tables for THHN/THWN). From 14 to 4/0.

NO = None
PUBLISHED = {
    ("emt", "1/2"): [12, 9, 5, 3, 2, 1, 1, 1, 1, 1, NO, NO, NO],
    ("emt", "3/4"): [22, 16, 10, 6, 4, 2, 1, 1, 1, 1, 1, 1, 1],
    ("emt", "1"): [35, 26, 16, 9, 7, 4, 3, 3, 1, 1, 1, 1, 1],
    ("emt", "1 1/4"): [61, 45, 28, 16, 12, 7, 6, 5, 4, 3, 2, 1, 1],
    ("emt", "2"): [138, 101, 63, 36, 26, 16, 13, 11, 8, 7, 6, 5, 4],
    ("emt", "4"): [608, 443, 279, 161, 116, 71, 60, 51, 37, 32, 26, 22, 18],
    ("imc", "1/2"): [14, 10, 6, 3, 2, 1, 1, 1, 1, 1, 1, NO, NO],
    ("rmc", "1/2"): [13, 9, 6, 3, 2, 1, 1, 1, 1, 1, NO, NO, NO],
    ("rmc", "2"): [140, 102, 64, 37, 27, 16, 14, 11, 8, 7, 6, 5, 4],
    ("fmc", "1/2"): [13, 9, 6, 3, 2, 1, 1, 1, 1, 1, NO, NO, NO],
    ("fmc", "1"): [33, 24, 15, 9, 6, 4, 3, 3, 1, 1, 1, 1, 1],
}


@pytest.mark.parametrize("conduit", PUBLISHED, ids=" ".join)
def test_published_rows_of_conduits_come_out(conduit):
    assert FILL[conduit] == PUBLISHED[conduit]


def test_which_conduits_there_are():
    assert len(FILL) == 40
    assert sum(len(row) for row in FILL.values()) == 520


def test_a_wider_conduit_never_holds_less_nor_a_thicker_wire_more():
    for kind in tables.CONDUITS:
        rows = [[cell or 0 for cell in FILL[kind, size]] for size in tables.TRADE_SIZES]
        for narrow, wide in pairwise(rows):
            assert all(few <= many for few, many in zip(narrow, wide, strict=True))
        assert all(row == sorted(row, reverse=True) for row in rows)


# In the database


def test_the_migration_fills_the_tables(work):
    assert services.seed(work, reset=True) == (0, 0)
    assert work.scalar(select(func.count()).select_from(CableSize)) == 41
    assert work.scalar(select(func.count()).select_from(ConduitFill)) == 40


@both_databases
def test_seeding_adds_what_is_missing_and_leaves_the_rest_alone(seeded):
    work = seeded
    work.execute(delete(CableSize).where(CableSize.material == "al"))
    work.execute(delete(ConduitFill).where(ConduitFill.conduit == "fmc"))
    changed = work.scalars(select(CableSize).where(CableSize.awg_size == "12")).one()
    changed.amps_60c = 16
    work.flush()

    assert services.seed(work) == (30, 0)
    assert services.seed(work) == (0, 0)
    work.expire_all()
    assert changed.amps_60c == 16
    assert services.seed(work, reset=True) == (0, 1)
    work.expire_all()
    assert changed.amps_60c == 20


def test_the_command_is_safe_to_repeat(app, work):
    work.execute(delete(ConduitFill))
    work.commit()
    run = app.test_cli_runner()

    assert run.invoke(args=["awg", "seed"]).output == "40 rows added, 0 put right\n"
    assert run.invoke(args=["awg", "seed"]).output == "0 rows added, 0 put right\n"
    assert run.invoke(args=["awg", "seed", "--reset"]).output == "0 rows added, 0 put right\n"


@both_databases
def test_the_tables_are_listed_in_order(seeded):
    cables = services.all_cables(seeded)
    conduits = services.all_conduits(seeded)

    assert [row.size_name for row in cables[:3]] == ["14", "12", "10"]
    assert [row.size_name for row in cables[9:13]] == ["1/0", "1/0", "1/0", "2/0"]
    assert [row.line_num for row in cables[9:13]] == [1, 2, 3, 1]
    assert cables[21].material == "al"
    assert [str(row) for row in conduits[8:12]] == ["EMT 3 1/2", "EMT 4", "IMC 1/2", "IMC 3/4"]
