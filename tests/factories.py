"""Valid rows for tests; a test names only what it is about."""

from __future__ import annotations

from datetime import date, timedelta

import factory
from factory.alchemy import SQLAlchemyModelFactory

from app.blueprints.accounts.models import RFID, Account, Address, Credit, User, Vehicle
from app.blueprints.mailer.models import EmailTemplate, QueuedEmail
from app.blueprints.nodes.models import Node
from app.blueprints.ocpp.models import Charger, ChargerDay, Connector, MeterReading, Simulator, Transaction
from app.blueprints.odoo.models import Instance
from app.blueprints.subscriptions.models import Product, Subscription
from app.clock import utcnow
from app.db import db


class _Factory(SQLAlchemyModelFactory):
    class Meta:
        abstract = True
        sqlalchemy_session_factory = lambda: db.session()  # noqa: E731
        sqlalchemy_session_persistence = "flush"


class UserFactory(_Factory):
    """A driver, with an account. ``account=None`` leaves it out."""

    class Meta:
        model = User

    username = factory.Sequence(lambda n: f"user{n}")
    session_key = factory.Sequence(lambda n: f"{n:032x}")
    account = factory.RelatedFactory("tests.factories.AccountFactory", factory_related_name="user")


class AccountFactory(_Factory):
    """An account with credit for 100 kWh."""

    class Meta:
        model = Account

    user = factory.SubFactory(UserFactory, account=None)
    credited_wh = 100_000
    spent_wh = 0


class AddressFactory(_Factory):
    """A house in Monterrey, at which nobody lives yet."""

    class Meta:
        model = Address

    street = "Av. Constitución"
    number = "400"
    municipality = "Monterrey"
    state = "NL"
    postal_code = "64000"


class CreditFactory(_Factory):
    """A line of the ledger. It changes no total: that is what the service is for."""

    class Meta:
        model = Credit

    account = factory.SubFactory(AccountFactory)
    amount_kwh = 10


class VehicleFactory(_Factory):
    """A driver's car."""

    class Meta:
        model = Vehicle

    account = factory.SubFactory(AccountFactory)
    brand = "Nissan"
    model = "Leaf"
    vin = factory.Sequence(lambda n: f"1N4AZ0CP8DC{n:06}")


class RFIDFactory(_Factory):
    """The tag of a driver."""

    class Meta:
        model = RFID

    rfid = factory.Sequence(lambda n: f"{0xA0000000 + n:08X}")
    user = factory.SubFactory(UserFactory)
    allowed = True


class ChargerFactory(_Factory):
    """A charger that has been accepted."""

    class Meta:
        model = Charger

    charger_id = factory.Sequence(lambda n: f"CP{n:04}")


class ConnectorFactory(_Factory):
    """A free outlet."""

    class Meta:
        model = Connector

    charger = factory.SubFactory(ChargerFactory)
    connector_id = 1
    status = "Available"


class ChargerDayFactory(_Factory):
    """What a charger delivered on a day."""

    class Meta:
        model = ChargerDay

    sessions = 1


class TransactionFactory(_Factory):
    """A transaction that has just begun."""

    class Meta:
        model = Transaction

    charger = factory.SubFactory(ChargerFactory)
    connector_id = 1
    id_tag = factory.Sequence(lambda n: f"{0xB0000000 + n:08X}")
    account = factory.SubFactory(AccountFactory)
    meter_start_wh = 0
    started_at = factory.LazyFunction(utcnow)


class MeterReadingFactory(_Factory):
    """What the outlet of a transaction draws."""

    class Meta:
        model = MeterReading
        exclude = ("transaction",)

    transaction = factory.SubFactory(TransactionFactory)
    transaction_id = factory.SelfAttribute("transaction.id")
    charger_id = factory.SelfAttribute("transaction.charger_id")
    connector_id = factory.SelfAttribute("transaction.connector_id")
    at = factory.SelfAttribute("transaction.started_at")
    measurand = "Power.Active.Import"
    value = 7000


class SimulatorFactory(_Factory):
    """A simulator that nobody has started."""

    class Meta:
        model = Simulator

    name = factory.Sequence(lambda n: f"Simulator {n}")
    cp_path = factory.Sequence(lambda n: f"sim/SIM{n}")


class NodeFactory(_Factory):
    """A node that has just registered."""

    class Meta:
        model = Node

    hostname = factory.Sequence(lambda n: f"node{n}")
    address = "192.0.2.10"
    port = 8000


class ProductFactory(_Factory):
    """Something that is renewed every 30 days."""

    class Meta:
        model = Product

    name = factory.Sequence(lambda n: f"Product {n}")
    renewal_period = 30


class SubscriptionFactory(_Factory):
    """A driver's subscription, a period before its first renewal."""

    class Meta:
        model = Subscription

    account = factory.SubFactory(AccountFactory)
    product = factory.SubFactory(ProductFactory)
    start_date = date(2026, 1, 1)
    next_renewal = factory.LazyAttribute(
        lambda row: row.start_date + timedelta(days=row.product.renewal_period)
    )


class InstanceFactory(_Factory):
    """An Odoo server that has never been checked, and where nobody listens."""

    class Meta:
        model = Instance

    name = factory.Sequence(lambda n: f"Odoo {n}")
    url = "http://127.0.0.1:1"
    database = "sales"
    username = "ann"
    password = "s3cret"


class TemplateFactory(_Factory):
    """A mail that greets."""

    class Meta:
        model = EmailTemplate

    name = factory.Sequence(lambda n: f"template {n}")
    subject = "Hello {username}"
    body = "Good day, {username}."


class QueuedEmailFactory(_Factory):
    """A mail that waits to be sent."""

    class Meta:
        model = QueuedEmail

    to = factory.Sequence(lambda n: f"reader{n}@example.com")
    template = "greeting"
    subject = "Hello"
    body = "Good day."
    next_try_at = factory.LazyFunction(utcnow)
