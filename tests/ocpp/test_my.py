"""A driver's own pages: what they show, in which words, and that nobody sees what is another's."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import insert

from app.blueprints.accounts.models import Account
from app.blueprints.accounts.services import create_token
from app.blueprints.ocpp import dispatch
from app.blueprints.ocpp.models import Transaction
from app.blueprints.ocpp.services import drivers
from app.blueprints.ocpp.services.drivers import Period
from app.blueprints.ocpp.views import my, my_plots
from app.clock import utcnow
from app.db import UnitOfWork
from tests.clients import Browser
from tests.databases import both_databases
from tests.factories import (
    AccountFactory,
    ChargerFactory,
    ConnectorFactory,
    CreditFactory,
    MeterReadingFactory,
    RFIDFactory,
    TransactionFactory,
    UserFactory,
    VehicleFactory,
)

NOON = datetime(2026, 1, 10, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
PAGES = ("/ocpp/my/", "/ocpp/my/sessions/", "/ocpp/my/credits/")
FILES = ("/ocpp/my/sessions.csv", "/ocpp/my/sessions.xlsx")


@pytest.fixture
def ana(work: UnitOfWork) -> Account:
    """The account of the driver who looks on, with 100 kWh."""
    return AccountFactory(user=UserFactory(username="ana", account=None))


@pytest.fixture
def page(client: Browser, ana: Account) -> Browser:
    """Ana's browser."""
    return client.log_in(ana.user)


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every charger is connected."""
    monkeypatch.setattr(dispatch, "connected", set)


def past(account: Account | None, began: datetime = NOON, **columns: Any) -> Transaction:
    """A session of an hour that has ended."""
    return TransactionFactory(
        **{"account": account, "started_at": began, "stopped_at": began + HOUR, "energy_wh": 5000} | columns
    )


def text_of(answer: Any) -> str:
    """What a page says, without its tags."""
    assert answer.status_code == 200
    return " ".join(re.sub(r"<[^>]*>", " ", answer.text.partition("<main")[2]).replace("\u202f", " ").split())


# Whose they are


def test_strangers_are_sent_to_log_in_and_come_back(client: Browser) -> None:
    for path in (*PAGES, *FILES, "/ocpp/my/1/"):
        answer = client.get(path)
        assert (answer.status_code, answer.location) == (302, f"/login/?next={path}")
    for path in ("/ocpp/my/state/", "/ocpp/my/events/", "/ocpp/my/1/curve/"):
        assert client.get(path).status_code == 401


def test_who_came_by_a_tag_alone_may_look(page: Browser) -> None:
    with page.session_transaction() as session:
        session["by_tag"] = True

    for path in (*PAGES, *FILES, "/ocpp/my/state/"):
        assert page.get(path).status_code == 200


def test_staff_have_pages_of_their_own_too(staff: Browser) -> None:
    for path in PAGES:
        assert staff.get(path).status_code == 200


def test_a_token_tells_its_owners_state(client: Browser, work: UnitOfWork, ana: Account) -> None:
    _, plain = create_token(work, ana.user, "phone")

    answer = client.get("/ocpp/my/state/", headers={"Authorization": f"Bearer {plain}"})

    assert answer.json["balance_kwh"] == 100


@both_databases
def test_nothing_of_anybody_else_is_shown(page: Browser, work: UnitOfWork) -> None:
    bob = AccountFactory(credited_wh=77_777_000)
    charger = ChargerFactory(charger_id="BOBS-CHARGER")
    running = TransactionFactory(account=bob, charger=charger, energy_wh=1, id_tag="B0B0B0B0")
    ended = past(bob, charger=charger)
    CreditFactory(account=bob, amount_kwh=77777)
    VehicleFactory(account=bob, brand="Bobmobile")
    RFIDFactory(user=bob.user, rfid="B0B0B0B0")
    past(None, charger=charger)

    shown = "".join(page.get(path).text for path in (*PAGES, FILES[0], "/ocpp/my/state/"))

    for secret in ("BOBS", "Bobmobile", "B0B0", "77,777", "77777", bob.user.username):
        assert secret not in shown
    for number in (running.id, ended.id, 0, 2**31, 2**63, 99):
        assert page.get(f"/ocpp/my/{number}/").status_code == 404
        assert page.get(f"/ocpp/my/{number}/curve/").status_code == 404


def test_a_cursor_of_somebody_else_tells_nothing(page: Browser, work: UnitOfWork, ana: Account) -> None:
    past(ana)
    other = past(AccountFactory(), NOON - HOUR)

    assert text_of(page.get(f"/ocpp/my/sessions/?before={other.id}")).count("5 kWh") == 2  # and the total


def test_no_cache_keeps_them(page: Browser) -> None:
    for path in (*PAGES, *FILES, "/ocpp/my/state/"):
        assert page.get(path).headers["Cache-Control"] == "no-store"


def test_which_member_of_staff_gave_credit_is_not_told(page: Browser, ana: Account) -> None:
    CreditFactory(account=ana, created_by=UserFactory(username="the-boss"))

    assert "the-boss" not in page.get("/ocpp/my/").text + page.get("/ocpp/my/credits/").text


# Balance


@pytest.mark.parametrize(
    ("columns", "number", "sentence"),
    [
        ({"credited_wh": 100_000, "spent_wh": 62_350}, "37.65 kWh", None),
        ({"credited_wh": 5000, "spent_wh": 5000}, "0 kWh", "There is no credit left. Ask the operator"),
        ({"credited_wh": 5000, "spent_wh": 6250}, "-1.25 kWh", "You have charged more than was credited."),
        (
            {"credited_wh": 0, "spent_wh": 9000, "service_account": True},
            "-9 kWh",
            "This is a service account",
        ),
    ],
)
def test_the_balance_says_what_it_means(
    page: Browser, ana: Account, columns: dict[str, Any], number: str, sentence: str | None
) -> None:
    for name, value in columns.items():
        setattr(ana, name, value)

    html = page.get("/ocpp/my/").text

    assert f'data-field="balance">{number}<' in html
    said = re.findall(r'data-mood="\w+" >([^<]*)<', html)
    assert len(said) == bool(sentence)
    assert all(one.startswith(str(sentence)) for one in said)


def test_numbers_and_words_are_the_readers(page: Browser, ana: Account) -> None:
    ana.spent_wh = 1250
    past(ana, energy_wh=12_345)

    page_in_spanish = text_of(page.get("/ocpp/my/", headers={"Accept-Language": "es"}))

    assert "Saldo 98.75 kWh" in page_in_spanish
    assert "12.35 kWh" in page_in_spanish


def test_a_newcomer_is_told_what_to_do(page: Browser) -> None:
    said = text_of(page.get("/ocpp/my/"))

    for sentence in (
        "Nothing charges on your account.", "You have not charged yet.", "Nothing has been credited yet.",
        "You have no card yet. Ask the operator for one.", "No car is noted here.",
    ):  # fmt: skip
        assert sentence in said
    assert "You have not charged yet." in text_of(page.get("/ocpp/my/sessions/"))
    assert "Nothing has been credited yet." in text_of(page.get("/ocpp/my/credits/"))


def test_a_user_without_an_account_is_told_so(client: Browser, work: UnitOfWork) -> None:
    client.log_in(UserFactory(account=None))

    assert "You have no account yet" in text_of(client.get("/ocpp/my/"))
    assert client.get("/ocpp/my/state/").json == {
        "balance_kwh": None, "credits_kwh": None, "total_kwh_spent": None, "service_account": False,
        "may_charge": False, "running": [],
    }  # fmt: skip
    for path in ("/ocpp/my/events/", "/ocpp/my/1/", *FILES):
        assert client.get(path).status_code == 404
    for path in PAGES:
        assert client.get(path).status_code == 200


# What charges now


@both_databases
@pytest.mark.usefixtures("online")
def test_a_running_session_tells_where_since_when_and_how_much(
    page: Browser, work: UnitOfWork, ana: Account
) -> None:
    began = utcnow() - timedelta(minutes=65)
    charger = ChargerFactory(charger_id="CP1", name="Yard")
    ConnectorFactory(charger=charger, connector_id=2, status="Charging", power_w=7360, measured_at=utcnow())
    one = TransactionFactory(
        account=ana, charger=charger, connector_id=2, started_at=began, received_at=began, energy_wh=4321
    )
    for minute in (1, 30, 60):
        MeterReadingFactory(transaction=one, at=began + timedelta(minutes=minute), value=7000)

    html, said = page.get("/ocpp/my/").text, text_of(page.get("/ocpp/my/"))

    for words in ("Yard", "Connector 2", "Charging", "(1 h 05 min)", "4.32 kWh", "7.4 kW"):
        assert words in said
    assert 'class="plot-power"' in html
    (told,) = page.get("/ocpp/my/state/").json["running"]
    assert told.items() >= {
        "id": one.id, "charger": "CP1", "name": "Yard", "connector": 2, "connected": True,
        "status": "Charging", "power_w": 7360, "energy_kwh": 4.321,
    }.items()  # fmt: skip


def test_an_offline_charger_shows_no_power_of_now(page: Browser, work: UnitOfWork, ana: Account) -> None:
    charger = ChargerFactory()
    ConnectorFactory(charger=charger, status="Charging", power_w=7360)
    TransactionFactory(account=ana, charger=charger)

    said = text_of(page.get("/ocpp/my/"))

    assert "Offline" in said
    assert "7.4 kW" not in said
    assert page.get("/ocpp/my/state/").json["running"][0]["power_w"] is None


def test_a_refused_start_runs_only_if_the_charger_charges_all_the_same(
    page: Browser, work: UnitOfWork, ana: Account
) -> None:
    refused = TransactionFactory(account=ana, refused="no_credit")
    assert page.get("/ocpp/my/state/").json["running"] == []
    assert "It did not begin: its owner has no credit left." in text_of(page.get("/ocpp/my/sessions/"))

    refused.energy_wh = 10

    assert len(page.get("/ocpp/my/state/").json["running"]) == 1
    assert "the charger charged all the same" in text_of(page.get("/ocpp/my/"))


def test_a_fleet_sees_the_newest_of_what_charges(page: Browser, work: UnitOfWork, ana: Account) -> None:
    TransactionFactory.create_batch(my.SHOWN + 2, account=ana)

    answer = page.get("/ocpp/my/")

    assert answer.text.count("data-session=") == my.SHOWN
    assert answer.text.count("data-curve=") == my.MAX_CURVES
    assert "2 more are charging." in text_of(answer)
    assert len(page.get("/ocpp/my/state/").json["running"]) == my.SHOWN + 2


# Past sessions


@both_databases
def test_past_sessions_are_paged_newest_first(page: Browser, work: UnitOfWork, ana: Account) -> None:
    """Also where many began at the same moment, and where ids do not follow the time."""
    began = [NOON] * 15 + [NOON - HOUR * number for number in range(30)]
    ids = [past(ana, at, meter_start_wh=number).id for number, at in enumerate(began)]

    seen, url = [], "/ocpp/my/sessions/"
    while url:
        html = page.get(url).text
        seen += [int(number) for number in re.findall(r'href="/ocpp/my/(\d+)/"', html)]
        link = re.search(r'rel="next" href="([^"]*)"', html)
        url = link[1] if link else ""

    assert seen == [id for _, id in sorted(zip(began, ids, strict=True), reverse=True)]


@both_databases
def test_a_period_is_of_days_in_the_zone_of_the_pages(page: Browser, work: UnitOfWork, ana: Account) -> None:
    for day in (8, 9, 10, 11):
        past(ana, NOON.replace(day=day), energy_wh=day * 1000)
    past(ana, NOON.replace(day=9), refused="unknown", energy_wh=0, meter_start_wh=5)

    said = text_of(page.get("/ocpp/my/sessions/?since=2026-01-09&until=2026-01-10"))

    assert "2 sessions, 19 kWh" in said
    assert "Jan 8" not in said
    assert "Jan 11" not in said
    assert "There is no session in this period." in text_of(page.get("/ocpp/my/sessions/?until=2020-01-01"))


@pytest.mark.parametrize(
    ("query", "field", "sentence"),
    [
        ("since=yesterday", "since", "Enter a day, such as 2026-01-31. (yesterday)"),
        ("until=2026-02-30", "until", "Enter a day, such as 2026-01-31. (2026-02-30)"),
        ("since=2026-01-02&until=2026-01-01", "until", "This is before the first day. (2026-01-01)"),
    ],
)
def test_a_wrong_day_is_told_beside_its_field(page: Browser, query: str, field: str, sentence: str) -> None:
    answer = page.get(f"/ocpp/my/sessions/?{query}")

    assert answer.status_code == 400
    assert f'id="{field}-error">{sentence}<' in answer.text
    assert page.get(f"/ocpp/my/sessions.csv?{query}").status_code == 400


def test_pages_and_files_keep_the_period(page: Browser, work: UnitOfWork, ana: Account) -> None:
    for number in range(21):
        past(ana, NOON + number * HOUR)

    html = page.get("/ocpp/my/sessions/?since=2026-01-01&until=2026-01-31").text

    for path in (
        r"/ocpp/my/sessions/\?before=\d+&amp;",
        r"/ocpp/my/sessions.csv\?",
        r"/ocpp/my/sessions.xlsx\?",
    ):
        assert re.search(rf'href="{path}since=2026-01-01&amp;until=2026-01-31"', html)


def test_a_session_tells_what_was_odd_in_words_for_drivers(
    page: Browser, work: UnitOfWork, ana: Account
) -> None:
    odd = past(ana, flags="stale clock_ahead clock_unset odd_connector", stop_reason="EVDisconnected")

    said = text_of(page.get(f"/ocpp/my/{odd.id}/"))

    assert "The charger never said that this session had ended: its last reading counts." in said
    assert said.count("The charger's clock was wrong".replace("'", "&#39;")) == 1
    assert "odd_connector" not in said
    assert "the car was unplugged" in said


def test_a_session_has_its_curve_and_its_details(page: Browser, work: UnitOfWork, ana: Account) -> None:
    one = past(ana, id_tag="DEADBEEF", meter_start_wh=1000, meter_stop_wh=6000)
    for minute in (1, 59):
        MeterReadingFactory(transaction=one, at=NOON + timedelta(minutes=minute))

    answer = page.get(f"/ocpp/my/{one.id}/")
    said = text_of(answer)

    assert 'class="plot-power"' in answer.text
    for words in ("1 h 00 min", "Meter at the start 1 kWh", "Meter at the end 6 kWh", "…BEEF"):
        assert words in said
    told = page.get(f"/ocpp/my/{one.id}/curve/").json
    assert [point["power_w"] for point in told["points"]] == [7000, 7000]
    assert (told["next_s"], told["reckoned"]) == (None, False)
    assert "plot-power" in told["html"]


def test_what_a_charger_calls_itself_stays_text(page: Browser, work: UnitOfWork, ana: Account) -> None:
    charger = ChargerFactory(charger_id="<script>alert(1)</script>", name="<b>evil</b>")
    ConnectorFactory(charger=charger, status="<i>odd</i>")
    TransactionFactory(charger=charger, account=ana, stop_reason="<u>")
    ended = past(ana, charger=charger, stop_reason="<u>why</u>")

    shown = page.get("/ocpp/my/").text + page.get(f"/ocpp/my/{ended.id}/").text

    for tag in ("<script>alert", "<b>", "<i>", "<u>"):
        assert tag not in shown


def test_energy_per_day_is_of_the_last_thirty(page: Browser, work: UnitOfWork, ana: Account) -> None:
    today = utcnow()
    past(ana, today - HOUR, energy_wh=4000)
    past(ana, today - timedelta(days=35), energy_wh=9000)

    assert "4 kWh on the 30 days" in page.get("/ocpp/my/").text


def test_too_many_sessions_are_not_summed_up_for_a_page(
    page: Browser, work: UnitOfWork, ana: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(my_plots, "MAX_SUMMED", 1)
    for number in range(2):
        past(ana, utcnow() - HOUR * (number + 2))

    assert "on the 30 days" not in page.get("/ocpp/my/").text
    assert "2 sessions" not in text_of(page.get("/ocpp/my/sessions/"))


@both_databases
def test_past_sessions_are_found_by_their_index(work: UnitOfWork, ana: Account) -> None:
    last = past(ana)
    told = {"charger_id": last.charger_id, "connector_id": 1, "id_tag": "T", "stopped_at": NOON}
    others = [account.id for account in AccountFactory.create_batch(5)]
    work.execute(
        insert(Transaction),
        [
            {**told, "account_id": account, "started_at": NOON, "meter_start_wh": account * 1000 + number}
            for account in others
            for number in range(100)
        ],
    )
    chosen = drivers._ended(ana, Period(since=NOON - HOUR, until=NOON + HOUR))
    chosen = chosen.where(Transaction.id != last.id).limit(21)
    compiled = chosen.compile(work.connection(), compile_kwargs={"literal_binds": True})
    sqlite = work.get_bind().dialect.name == "sqlite"
    if not sqlite:
        work.connection().exec_driver_sql("ANALYZE charge_transaction")
    explain = "EXPLAIN QUERY PLAN" if sqlite else "EXPLAIN"
    plan = "\n".join(str(line) for line in work.connection().exec_driver_sql(f"{explain} {compiled}"))

    assert "ix_transaction_account_started" in plan
    assert "TEMP B-TREE" not in plan  # nothing is sorted
    assert "Sort" not in plan


# Ledger, cars, cards


@both_databases
def test_the_ledger_is_paged_newest_first(page: Browser, work: UnitOfWork, ana: Account) -> None:
    for number in range(1, 24):
        CreditFactory(account=ana, amount_kwh=Decimal(number))
    CreditFactory(account=ana, amount_kwh=Decimal("-2.50"))

    first = text_of(page.get("/ocpp/my/"))
    assert "-2.5 kWh" in first
    assert "+23 kWh" in first
    assert "+19 kWh" not in first
    whole = page.get("/ocpp/my/credits/")
    link = re.search(r'rel="next" href="([^"]*)"', whole.text)
    assert link is not None
    assert re.findall(r"\+(\d+) kWh", whole.text) == [str(number) for number in range(23, 4, -1)]
    assert re.findall(r"\+(\d+) kWh", page.get(link[1]).text) == ["4", "3", "2", "1"]


def test_cards_tell_whether_they_may_charge_and_not_all_of_their_number(
    page: Browser, work: UnitOfWork, ana: Account
) -> None:
    RFIDFactory(user=ana.user, rfid="11111111")
    RFIDFactory(user=ana.user, rfid="22222222", expires_at=datetime(2020, 1, 2, 12, tzinfo=UTC))
    RFIDFactory(user=ana.user, rfid="33333333", expires_at=datetime(2099, 1, 2, 12, tzinfo=UTC))

    answer = page.get("/ocpp/my/")

    said = text_of(answer)
    for words in ("…1111 valid", "…2222 expired on Jan 2, 2020", "…3333 valid until Jan 2, 2099"):
        assert words in said
    assert "11111111" not in answer.text


def test_cars(page: Browser, ana: Account) -> None:
    VehicleFactory(account=ana, brand="Nissan", model="<Leaf>", vin="1N4AZ0CP8DC400001")

    assert "Nissan &lt;Leaf&gt; 1N4AZ0CP8DC400001" in text_of(page.get("/ocpp/my/"))


def test_a_long_list_of_cards_says_that_there_are_more(page: Browser, work: UnitOfWork, ana: Account) -> None:
    RFIDFactory.create_batch(drivers.MAX_BELONGINGS + 1, user=ana.user)

    said = text_of(page.get("/ocpp/my/"))

    assert said.count(" valid") == drivers.MAX_BELONGINGS
    assert "There are more." in said


# The way there


def test_the_navigation_leads_whoever_is_logged_in(page: Browser, app: Flask) -> None:
    def shell(path: str, host: str = "localhost:8000") -> str:
        return page.get(path, base_url=f"http://{host}").text.partition("<main")[0]

    stranger: Browser = app.test_client()  # type: ignore[assignment]
    assert "/ocpp/my/" not in stranger.get("/ocpp/").text
    assert 'href="/ocpp/my/">My charging</a>' in shell("/ocpp/")
    for path in ("/ocpp/my/", "/ocpp/my/sessions/"):
        assert re.findall(r'href="([^"]*)" aria-current="page"', shell(path)) == ["/ocpp/my/"]


def test_the_first_page_leads_there_after_a_login(page: Browser) -> None:
    said = text_of(page.get("/"))

    assert "Welcome, ana: here are your balance and your charging sessions. My charging" in said


def test_the_domains_first_page_lists_the_pages_and_not_the_files(page: Browser) -> None:
    page.set_cookie("session", page.get_cookie("session").value, domain="ocpp.localhost")  # type: ignore[union-attr]

    said = text_of(page.get("/", base_url="http://ocpp.localhost:8000"))

    assert "Your past sessions, by period, to read and to download. /ocpp/my/sessions/" in said
    assert "Your past sessions as a CSV file." not in said


def test_it_is_on_the_subdomain_too(page: Browser, work: UnitOfWork, ana: Account) -> None:
    page.set_cookie("session", page.get_cookie("session").value, domain="ocpp.localhost")  # type: ignore[union-attr]

    answer = page.get("/my/", base_url="http://ocpp.localhost:8000")

    assert "Balance 100 kWh" in text_of(answer)
    assert 'href="/ocpp/my/" aria-current="page"' in answer.text
