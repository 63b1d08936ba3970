"""A charger that is connected, and a driver beside it."""

from __future__ import annotations

import pytest

from app.blueprints.accounts.models import Account
from app.blueprints.ocpp import dispatch
from app.blueprints.ocpp.models import Charger
from app.db import UnitOfWork
from tests.clients import Browser
from tests.factories import AccountFactory, ConnectorFactory, RFIDFactory, UserFactory


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The ids of the chargers that are connected."""
    ids = {"CP1"}
    monkeypatch.setattr(dispatch, "connected", lambda asked: ids & set(asked))
    return ids


@pytest.fixture
def charger(work: UnitOfWork) -> Charger:
    """A charger whose one connector is free."""
    return ConnectorFactory(charger__charger_id="CP1", charger__name="North gate").charger


@pytest.fixture
def ana(work: UnitOfWork) -> Account:
    """The account of a driver with 100 kWh and a card."""
    account = AccountFactory(user=UserFactory(username="ana", account=None))
    RFIDFactory(rfid="DEADBEEF", user=account.user)
    return account


@pytest.fixture
def page(client: Browser, charger: Charger, ana: Account) -> Browser:
    """Ana's browser."""
    return client.log_in(ana.user)
