"""The calculator: which cable and conduit a load needs, on the page and as JSON."""

from __future__ import annotations

import html
import re

import pytest
from sqlalchemy import delete, update

from app.blueprints.awg import forms, services
from app.blueprints.awg.errors import BadQuestion, TooMuchCurrent, TooMuchDrop
from app.blueprints.awg.forms import Question
from app.blueprints.awg.models import CableSize
from tests.databases import both_databases

PAGE, JSON = "/awg/", "/awg/calculator/"
CAR = {"amps": "40", "volts": "220", "meters": "25"}


@pytest.fixture
def work(work):
    """Tables as the migration leaves them, on either database."""
    services.seed(work, reset=True)
    return work


def ask(work, **given: str) -> services.Answer:
    return services.calculate(work, Question.parse(CAR | given))


def cable(work, **given: str) -> str:
    """``2×4/0``: what it answers."""
    found = ask(work, **given).cable
    return f"{found.line_num}×{found.size_name}"


# Which cable


@both_databases
def test_the_cable_of_a_car(work):
    answer = ask(work)

    # 2 × 40 A × 25 m × 2.0610 Ω/km
    assert (answer.cable.size_name, answer.amps, answer.conductors) == ("8", 40, 3)
    assert answer.drop_v == pytest.approx(4.122, abs=1e-3)
    assert answer.drop_percent == pytest.approx(1.874, abs=1e-3)
    assert answer.end_v == pytest.approx(215.878, abs=1e-3)
    assert answer.conduits == {"emt": "1/2", "imc": "1/2", "rmc": "1/2", "fmc": "1/2"}


def test_the_thinnest_that_carries_the_current(work):
    short = {"meters": "1"}

    assert [cable(work, amps=amps, **short) for amps in ("15", "15.1", "20", "30", "55", "70", "95")] == [
        "1×14", "1×12", "1×12", "1×10", "1×6", "1×4", "1×2",
    ]  # fmt: skip


def test_up_to_100_a_the_column_of_60_degrees_applies_and_that_of_75_beyond(work):
    short = {"meters": "1"}

    assert ask(work, amps="100", **short).question.column == 60
    assert cable(work, amps="100", **short) == "1×1"
    assert ask(work, amps="100.1", **short).question.column == 75
    assert cable(work, amps="100.1", **short) == "1×2"
    assert cable(work, amps="100", temperature="75", **short) == "1×3"
    assert cable(work, amps="100", temperature="90", **short) == "1×3"
    assert cable(work, amps="150", temperature="60", **short) == "1×3/0"


def test_a_longer_way_needs_a_thicker_cable(work):
    found = [cable(work, meters=meters) for meters in ("25", "41", "100", "250")]
    assert found == ["1×8", "1×6", "1×4", "1×1/0"]
    assert cable(work, meters="41", max_drop="5") == "1×8"
    assert cable(work, meters="41", volts="440") == "1×8"


def test_the_drop_never_exceeds_what_is_allowed(work):
    for meters in range(10, 300, 10):
        answer = ask(work, meters=str(meters))
        assert answer.drop_percent <= 3
        thinner = [
            row for row in services.all_cables(work)
            if row.material == "cu" and row.line_num == 1 and row.thickness < answer.cable.thickness
        ]  # fmt: skip
        good = [row for row in thinner if row.amps_60c >= 40 and services.drop_v(answer.question, row) <= 6.6]
        assert good == []


def test_three_phases_lose_less_than_one(work):
    one, two, three = (ask(work, phases=phases, max_drop="50") for phases in "123")

    assert one.drop_v == two.drop_v
    assert three.drop_v == pytest.approx(one.drop_v * 3**0.5 / 2)
    assert [answer.conductors for answer in (one, two, three)] == [3, 3, 4]


def test_aluminium_is_thicker_than_copper(work):
    assert cable(work, material="al", meters="1") == "1×6"


def test_conductors_share_a_phase_only_when_they_may_and_must(work):
    short = {"meters": "1", "temperature": "60"}
    with pytest.raises(TooMuchCurrent, match="195 A"):
        ask(work, amps="200", **short)

    assert cable(work, amps="195", max_lines="3", **short) == "1×4/0"
    assert cable(work, amps="200", max_lines="3", **short) == "2×1/0"
    assert cable(work, amps="320", max_lines="3", **short) == "3×3/0"
    with pytest.raises(TooMuchCurrent, match="312 A"):
        ask(work, amps="320", max_lines="2", **short)


def test_conductors_that_share_a_phase_share_the_drop(work):
    one, two = (
        services.drop_v(Question.parse(CAR), row)
        for row in services.all_cables(work)
        if row.awg_size == "-4" and row.material == "cu" and row.line_num < 3
    )

    assert two == pytest.approx(one / 2)


def test_too_long_a_way_is_told_with_the_least_drop(work):
    with pytest.raises(TooMuchDrop, match=r"the least is 58\.48 %"):
        ask(work, meters="10000")


# Which conduit


def test_the_conduit_holds_ground_and_neutral_too(work):
    assert ask(work, extra="0").conductors == 2
    assert ask(work, phases="3", extra="2").conductors == 5
    assert ask(work, phases="3", extra="2").conduits["emt"] == "3/4"
    assert set(ask(work, phases="3", extra="9").conduits.values()) == {"1 1/4"}


def test_conductors_per_phase_need_room_too(work):
    answer = ask(work, amps="320", temperature="60", meters="1", max_lines="3", phases="3")

    assert answer.conductors == 10
    assert answer.conduits == {"emt": "3", "imc": "3", "rmc": "3", "fmc": "3"}


def test_where_no_conduit_is_wide_enough_there_is_none(work):
    conduits = services.all_conduits(work)

    assert services.conduits_for(conduits, "-4", 18)["emt"] == "4"
    assert services.conduits_for(conduits, "-4", 19)["emt"] is None
    assert services.conduits_for([], "14", 1) == dict.fromkeys(("emt", "imc", "rmc", "fmc"))


# What a question is


@pytest.mark.parametrize("name", ["amps", "volts", "meters", "max_drop"])
def test_what_is_no_number_is_named(work, name):
    low, high, _ = forms.NUMBERS[name]
    for text in (
        "x",
        "-1",
        "0",
        "1e3",
        "nan",
        "inf",
        "1 000",
        "1,000",
        "1.2.3",
        "٣",
        "9" * 30,
        "0x10",
        "1\0",
        "'",
    ):
        with pytest.raises(BadQuestion) as refusal:
            Question.parse(CAR | {name: text})
        assert refusal.value.problems == {name: f"This must be a number from {low} to {high}."}


@pytest.mark.parametrize("name", ["phases", "material", "temperature", "max_lines", "extra"])
def test_what_is_no_choice_is_named(work, name):
    for text in ("x", "0.5", "-1", "99", "cu al", "\0"):
        with pytest.raises(BadQuestion) as refusal:
            Question.parse(CAR | {name: text})
        assert list(refusal.value.problems) == [name]


def test_a_decimal_comma_is_understood_and_one_of_thousands_is_not(work):
    assert float(Question.parse(CAR | {"amps": "7,5"}).amps) == 7.5
    assert float(Question.parse(CAR | {"amps": " 12.25 "}).amps) == 12.25


def test_what_is_left_out_is_the_usual(work):
    asked = Question.parse(CAR)

    assert asked.as_json() == {
        "amps": 40.0, "volts": 220.0, "meters": 25.0, "phases": 2, "material": "cu", "temperature": None,
        "max_lines": 1, "max_drop": 3.0, "extra": 1,
    }  # fmt: skip


# JSON


@both_databases
def test_the_answer_as_json(client, work):
    answer = client.get(JSON, query_string=CAR)

    assert answer.status_code == 200
    told = answer.json
    assert (told["cable"]["size"], told["temperature"], told["amps"], told["conductors"]) == ("8", 60, 40, 3)
    assert (told["drop_v"], told["drop_percent"], told["end_v"]) == (4.122, 1.874, 215.878)
    assert told["conduits"]["emt"] == "1/2"


def test_every_field_that_is_wrong_is_named_in_json(client, work):
    answer = client.get(JSON, query_string={"amps": "x", "volts": "220", "phases": "9"})

    assert answer.status_code == 400
    assert answer.json == {
        "detail": "amps: This must be a number from 0.1 to 10000.; meters: This is needed.; "
        "phases: This must be one of: 1, 2, 3."
    }


def test_where_no_cable_will_do_it_says_why(client, work):
    answer = client.get(JSON, query_string=CAR | {"amps": "1000"})

    assert answer.status_code == 404
    assert answer.json["detail"].startswith("No cable carries this current: the most is 230 A.")


@both_databases
def test_empty_tables_say_how_to_fill_them(client, work):
    work.execute(delete(CableSize))

    answer = client.get(JSON, query_string=CAR)

    assert (answer.status_code, answer.json["detail"]) == (
        404,
        "the tables are empty: flask awg seed fills them",
    )
    assert client.get(PAGE).status_code == 200


@both_databases
def test_the_tables_as_json(client, work):
    cables = client.get("/awg/cables/").json["cables"]
    conduits = client.get("/awg/conduits/").json["conduits"]

    assert (len(cables), len(conduits)) == (41, 40)
    first = {"size": "1/0", "awg_size": "-1", "material": "cu", "line_num": 1, "amps_60c": 125}
    assert first.items() <= cables[9].items()
    assert {"conduit": "emt", "trade_size": "1/2", "awg_14": 12, "awg_00": None}.items() <= conduits[
        0
    ].items()


def test_the_answers_are_what_the_document_describes(client, work):
    document = client.get("/api/openapi.json").json
    schemas = document["components"]["schemas"]

    assert set(client.get(JSON, query_string=CAR).json) == set(schemas["CableAnswer"]["properties"])
    assert set(client.get("/awg/cables/").json["cables"][0]) == set(schemas["Cable"]["properties"])
    assert set(client.get("/awg/conduits/").json["conduits"][0]) == set(schemas["Conduit"]["properties"])


def test_the_calculator_goes_by_what_stands_in_the_table(client, work):
    work.execute(update(CableSize).where(CableSize.awg_size == "8").values(amps_60c=39))

    assert client.get(JSON, query_string=CAR).json["cable"]["size"] == "6"


# The page


@pytest.mark.parametrize("host", ["localhost:8000", "awg.localhost:8000"])
def test_the_page_is_open_to_everybody_by_path_and_by_subdomain(client, work, host):
    path = "/dashboard/" if host.startswith("awg") else PAGE
    page = client.get(path, headers={"Host": host})

    assert page.status_code == 200
    assert f'action="{PAGE}"' in page.text
    assert "data-answer" not in page.text
    assert "Set-Cookie" not in page.headers


def test_the_page_answers_in_metric_and_awg_units_without_javascript(client, work):
    text = html.unescape(client.get(PAGE, query_string=CAR).text)

    answer = text.partition("data-answer")[2].partition("</section>")[0]
    for shown in (
        "8 AWG · 8.37 mm² · Copper", "16.51 kcmil", "3.264 mm", "0.128 in", "2.06 Ω/km", "0.628 Ω/kft",
        "25 m", "82.02 ft", "40 A, by the column for 60 °C", "4.12 V (1.87 %)", "215.9 V",
        "Conduit for 3 conductors", "EMT: 1/2 in",
    ):  # fmt: skip
        assert shown in answer


def fields(text: str) -> dict[str, str]:
    """What the form holds."""
    typed = re.findall(r'<input class="form-control[^>]*name="(\w+)" value="([^"]*)"', text)
    chosen = re.findall(r'<select[^>]*name="(\w+)".*?<option value="([^"]*)" selected>', text, re.DOTALL)
    return dict(typed) | dict(chosen)


def test_the_address_holds_the_question(client, work):
    chosen = {"phases": "3", "material": "al", "temperature": "75", "max_lines": "2", "extra": "2"}
    asked = CAR | chosen | {"max_drop": "4.5"}

    assert fields(client.get(PAGE, query_string=asked).text) == asked
    assert fields(client.get(PAGE).text) == forms.DEFAULTS | {"amps": "", "volts": "", "meters": ""}


def test_what_is_wrong_is_told_next_to_its_field_and_nothing_is_lost(client, work):
    page = client.get(PAGE, query_string={"amps": "<b>", "volts": "220", "meters": "", "max_lines": "2"})

    assert page.status_code == 400
    problems = dict(re.findall(r'<div class="invalid-feedback" id="(\w+)-problem">([^<]*)<', page.text))
    assert problems == {"amps": "This must be a number from 0.1 to 10000.", "meters": "This is needed."}
    held = fields(page.text)
    assert (held["amps"], held["volts"], held["max_lines"]) == ("&lt;b&gt;", "220", "2")
    assert 'aria-describedby="amps-problem' in page.text


def test_the_page_says_why_no_cable_will_do(client, work):
    page = client.get(PAGE, query_string=CAR | {"meters": "10000"})

    assert page.status_code == 404
    assert "Every cable that carries this current loses more voltage than allowed" in page.text


def test_the_page_shows_all_tables(client, work):
    text = client.get(PAGE).text

    assert text.count('<th class="text-start" scope="row">') == 41
    assert text.count('<th class="text-start text-nowrap" scope="row">') == 40
    assert text.count("<td>–</td>") == sum(
        row.holds(size) is None for row in services.all_conduits(work) for size in services.tables.SIZES
    )


def test_the_page_speaks_spanish(client, work):
    text = client.get(PAGE, query_string=CAR | {"volts": ""}, headers={"Accept-Language": "es"}).text

    assert "Calibres de cable" in text
    assert "Esto es necesario." in text


def test_the_navigation_leads_here(client):
    assert f'href="{PAGE}"' in client.get("/chat/").text.partition("<main")[0]
