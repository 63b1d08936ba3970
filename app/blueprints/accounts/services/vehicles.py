"""Cars: each is on one account, known by its vehicle identification number."""

from __future__ import annotations

from sqlalchemy import select

from app.blueprints.accounts import vin
from app.blueprints.accounts.errors import VinTaken
from app.blueprints.accounts.models import Account, Vehicle
from app.db import UnitOfWork


def free_vin(work: UnitOfWork, text: str, own: Vehicle | None = None) -> str:
    """A number, upper-cased, that no vehicle but ``own`` has. Raises ``BadVin`` or ``VinTaken``."""
    number = vin.checked(text)
    taken = work.scalar(select(Vehicle).where(Vehicle.vin == number))
    if taken is not None and taken is not own:
        raise VinTaken(number, str(taken.account))
    return number


def add_vehicle(work: UnitOfWork, account: Account, *, brand: str, model: str, number: str) -> Vehicle:
    """Put a car on an account. Raises ``BadVin`` or ``VinTaken``."""
    vehicle = Vehicle(account_id=account.id, brand=brand, model=model, vin=free_vin(work, number))
    work.add(vehicle)
    work.flush()  # callers name the vehicle by id
    work.expire(account, ["vehicles"])
    return vehicle
