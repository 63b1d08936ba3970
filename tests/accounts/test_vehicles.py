"""Cars and their vehicle identification numbers."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from app.blueprints.accounts import vin
from app.blueprints.accounts.errors import BadVin, VinTaken
from app.blueprints.accounts.models import Vehicle
from app.blueprints.accounts.services import vehicles
from tests.accounts.screens import actions, count, messages
from tests.databases import both_databases
from tests.factories import AccountFactory, VehicleFactory

# Published examples: 49 CFR 565's own arithmetic, and the two with nothing but ones.
GOOD = ["1M8GDM9AXKP042788", "11111111111111111", "1HGCM82633A004352", "5GZCZ43D13S812715"]
EUROPEAN = "WVWZZZ1JZ3W386752"


@pytest.mark.parametrize("number", GOOD)
def test_a_check_digit_fits_or_does_not(number):
    assert vin.has_check_digit(number)
    wrong = "5" if number[8] != "5" else "6"
    assert not vin.has_check_digit(number[:8] + wrong + number[9:])


@pytest.mark.parametrize(
    "text",
    [
        "", "1M8GDM9AXKP04278", "1M8GDM9AXKP0427888", "IM8GDM9AXKP042788", "OM8GDM9AXKP042788",
        "QM8GDM9AXKP042788", "1M8GDM9AXKP04278-", "1M8GDM9AXKP04278Ñ", "１M8GDM9AXKP042788",
        "1M8GDM9AX KP04278",
        "1M8GDM9AXKP04278\0",
    ],
)  # fmt: skip
def test_what_is_no_vin_is_refused(app, text):
    with app.test_request_context(), pytest.raises(BadVin):
        vin.checked(text)


@both_databases
def test_a_car_has_a_vin_however_the_row_came_to_be(work):
    assert VehicleFactory(vin=" 1m8gdm9axkp042788 ").vin == "1M8GDM9AXKP042788"
    with pytest.raises(BadVin):
        VehicleFactory(vin="nonsense")


@both_databases
def test_a_vin_is_one_cars(work):
    car = VehicleFactory(account__user__username="joe")

    with pytest.raises(VinTaken, match="is on the account of joe"):
        vehicles.add_vehicle(work, AccountFactory(), brand="Kia", model="Niro", number=car.vin.lower())
    assert vehicles.free_vin(work, car.vin, own=car) == car.vin


# The staff screen


def submit(staff, path, **told):
    return staff.submit(
        f"/admin/vehicles/{path}", {"brand": "Nissan", "model": "Leaf", "vin": GOOD[0]} | told
    )


@both_databases
def test_staff_make_change_and_delete_cars(staff, work):
    account, other = AccountFactory(), AccountFactory()

    submit(staff, "new/", account=account.id, vin=GOOD[0].lower())
    car = work.scalars(select(Vehicle)).one()
    assert (car.account, str(car), car.vin) == (account, "Nissan Leaf", GOOD[0])
    submit(staff, f"edit/?id={car.id}", account=other.id, model="Ariya")
    work.refresh(car)
    assert (car.account, car.model) == (other, "Ariya")
    staff.submit("/admin/vehicles/delete/", {"id": car.id})

    assert count(work, Vehicle) == 0
    expected = [("staff", name, "vehicle") for name in ("create", "update", "delete")]
    assert actions(work) == expected


@both_databases
def test_a_wrong_or_taken_vin_is_one_sentence_next_to_it(staff, work):
    taken = VehicleFactory(account__user__username="joe", vin=GOOD[0])
    account = AccountFactory()

    for number, sentence in (
        (GOOD[0].lower(), f"the vehicle with the VIN {GOOD[0]} is on the account of joe"),
        ("IOQ", "VIN must be 17 letters and digits, without I, O and Q"),
    ):
        page = submit(staff, "new/", account=account.id, vin=number)
        (said,) = re.findall(
            r'name="vin"(?:(?!name=).)*?<ul class="form-text text-danger[^>]*>(.*?)</ul>', page.text, re.S
        )
        assert re.findall(r"<li>(.*?)</li>", said) == [sentence]
    own = VehicleFactory(vin=GOOD[1])
    page = submit(staff, f"edit/?id={own.id}", account=own.account_id, vin=GOOD[0])
    assert "is on the account of joe" in page.text
    assert (taken.vin, own.vin) == (GOOD[0], GOOD[1])


def test_a_check_digit_that_does_not_fit_is_a_warning_only(staff, work):
    answer = staff.submit(
        "/admin/vehicles/new/",
        {"account": AccountFactory().id, "brand": "BMW", "model": "i3", "vin": EUROPEAN},
        follow_redirects=True,
    )

    assert f"The check digit of {EUROPEAN} (position 9) does not fit" in messages(answer)
    assert count(work, Vehicle) == 1
    fits = staff.submit(
        "/admin/vehicles/new/",
        {"account": AccountFactory().id, "brand": "BMW", "model": "i3", "vin": GOOD[0]},
        follow_redirects=True,
    )
    assert "check digit" not in messages(fits)


def test_a_cars_account_is_filled_in_where_its_page_leads_here(staff, work):
    account = AccountFactory()

    form = staff.get(f"/admin/vehicles/new/?account={account.id}").text

    assert re.search(rf'name="account"[^>]*value="{account.id}"', form)
    for nonsense in ("x", "9" * 40, "\0", "²"):
        assert staff.get("/admin/vehicles/new/", query_string={"account": nonsense}).status_code == 200


def test_cars_are_found_by_owner_and_vin(staff, work):
    VehicleFactory(account__user__username="joe", vin=GOOD[0])
    VehicleFactory(account__user__username="mary", vin=GOOD[1])

    for query in ("search=joe", f"search={GOOD[0][4:12].lower()}", "flt0_0=joe"):
        page = staff.get(f"/admin/vehicles/?{query}").text
        assert (GOOD[0] in page, GOOD[1] in page) == (True, False), query
