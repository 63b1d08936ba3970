"""A site of its own, in a folder that goes away: drivers, chargers that charge, and a week of history."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from sqlalchemy import select

from app import create_app
from app.blueprints.accounts import services as accounts
from app.blueprints.accounts.models import RFID, Account
from app.blueprints.accounts.services import credit, passwords, vehicles
from app.blueprints.mailer.services import templates
from app.blueprints.nodes.services import register_node
from app.blueprints.ocpp.models import Charger, Simulator
from app.blueprints.ocpp.simulator import ChargePointSimulator, SimulatorConfig
from app.blueprints.subscriptions import services as subscriptions
from app.blueprints.subscriptions.models import Product
from app.blueprints.website.models import Site
from app.db import UnitOfWork, unit_of_work
from tests.ocpp import drivers
from tests.ocpp.charge_point import ChargePoint
from tests.ocpp.staff import eventually
from tests.servers import RunningServer, running_server

PASSWORD = "correct horse"
DRIVER, STAFF = "maria", "staff"


@dataclass(frozen=True)
class Spot:
    """A charger: where it stands, and how many kW its car takes just now."""

    id: str
    name: str
    latitude: str
    longitude: str
    power_kw: float = 0
    tag: str = ""


SPOTS = (
    Spot("MTY-CENTRO-1", "Macroplaza 1", "25.669200", "-100.309900", 22, "DEADBEEF"),
    Spot("MTY-CENTRO-2", "Macroplaza 2", "25.669500", "-100.309500"),
    Spot("MTY-FUNDIDORA", "Parque Fundidora", "25.678500", "-100.284200", 7.4, "C0FFEE01"),
    Spot("SPGG-VALLE", "Valle Oriente", "25.643700", "-100.325900", 50, "C0FFEE02"),
    Spot("APO-AEROPUERTO", "Aeropuerto", "25.776800", "-100.106600"),
    Spot("SAL-CENTRO", "Saltillo Centro", "25.423200", "-100.992000"),
)
# Is known, and has not been heard of.
ABSENT = Spot("GPE-EXPO", "Expo Guadalupe", "25.690800", "-100.247100")
# What charged in the last days: days ago, hour, kWh.
HISTORY = ((6, 9, 11.2), (5, 18, 23.8), (4, 8, 17.5), (3, 19, 31.4), (2, 7, 9.6), (1, 20, 26.1))


@contextmanager
def demo_site(folder: Path, **settings: str) -> Iterator[RunningServer]:
    """A server on which people charge. ``folder`` is empty; ``settings`` by name, as in the environment."""
    with ExitStack() as ended, running_server(folder, **settings) as server:
        with _application(server) as work:
            _people(work)
            _rest(work)
        _history(server)
        for spot in SPOTS:
            ended.callback(_plugged_in(server, spot).stop)
        with _application(server) as work:
            _set_up(work)
        yield server


@contextmanager
def _application(server: RunningServer) -> Iterator[UnitOfWork]:
    """The services, on the server's database."""
    names = ("INSTANCE_PATH", "LOG_DIR")
    app = create_app({name: server.env[name] for name in names} | {"PORT": server.port})
    with app.app_context(), unit_of_work() as work:
        yield work


def _people(work: UnitOfWork) -> None:
    """A driver with credit, a card and a car; somebody else who charges; a member of staff."""
    hash_ = passwords.hashed(PASSWORD)
    staff = accounts.create_user(work, STAFF, password_hash=hash_, is_staff=True)
    for name, tags in ((DRIVER, ["DEADBEEF"]), ("jorge", ["C0FFEE01", "C0FFEE02"])):
        user = accounts.create_user(work, name, password_hash=hash_)
        user.email = f"{name}@example.com"
        work.add_all(RFID(rfid=tag, user=user) for tag in tags)
        work.flush()  # the account's id
        account = credit.get_account(work, name)
        credit.add_credit(work, account, Decimal(400), created_by=staff)
    vehicles.add_vehicle(
        work, credit.get_account(work, DRIVER), brand="Nissan", model="Leaf", number="1N4AZ0CP8DC000001"
    )


def _rest(work: UnitOfWork) -> None:
    """Something on every screen of the administration."""
    product = Product(name="Night rate", description="From 22:00 to 6:00", renewal_period=30)
    work.add_all(
        [
            product,
            Site(domain="charge.example.com", label="ocpp"),
            Simulator(name="Yard", cp_path="yard/SIM1"),
        ]
    )
    work.flush()  # the product's id
    subscriptions.subscribe(work, _account(work), product, date(2026, 11, 1))
    register_node(work, hostname="depot-2", address="192.0.2.20", port=8000, by=None)
    templates.save_template(work, name="greeting", subject="Hello {username}", body="Welcome, {username}.")


def _account(work: UnitOfWork) -> Account:
    return credit.get_account(work, DRIVER)


def _plugged_in(server: RunningServer, spot: Spot) -> ChargePointSimulator:
    """A charger that is connected; its car charges for as long as anybody looks."""
    config = SimulatorConfig(
        ws_port=server.port, cp_path=f"yard/{spot.id}", rfid=spot.tag or "FFFFFFFF",
        power_kw=spot.power_kw or 7, duration=3600, interval=1, connectors=2, autostart=bool(spot.power_kw),
    )  # fmt: skip
    simulator = ChargePointSimulator(config)
    simulator.start()
    eventually(lambda: simulator.is_connected, 30)
    return simulator


def _history(server: RunningServer) -> None:
    """Sessions of the last days, told late by a charger that had been offline."""
    register_wh = 0
    with ChargePoint(server.port, f"/yard/{ABSENT.id}") as charger:
        drivers.ask(charger, "BootNotification", {"chargePointVendor": "Acme", "chargePointModel": "Wall 22"})
        for days, hour, kwh in HISTORY:
            began = datetime.now(UTC).replace(hour=hour, minute=12) - timedelta(days=days)
            id = drivers.start(charger, "DEADBEEF", meterStart=register_wh, timestamp=_told(began))
            for part in range(1, 9):
                at = _told(began + timedelta(minutes=10 * part))
                drivers.meter(charger, register_wh + int(125 * kwh * part), id, at)
            register_wh += int(1000 * kwh)
            drivers.stop(charger, id, register_wh, timestamp=_told(began + timedelta(minutes=80)))


def _set_up(work: UnitOfWork) -> None:
    """What staff add to the chargers that have introduced themselves."""
    for spot in (*SPOTS, ABSENT):
        charger = work.scalars(select(Charger).where(Charger.charger_id == spot.id)).one()
        charger.name = spot.name
        charger.latitude, charger.longitude = Decimal(spot.latitude), Decimal(spot.longitude)


def _told(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
