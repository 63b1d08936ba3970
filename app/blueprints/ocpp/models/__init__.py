"""Tables of the charging domain: stations, charging, and what the line remembers."""

from app.blueprints.ocpp.models.alerts import Alert
from app.blueprints.ocpp.models.charging import MeterReading, OddStop, Refusal, Transaction, UnknownTag
from app.blueprints.ocpp.models.line import OcppMessage
from app.blueprints.ocpp.models.simulators import Simulator
from app.blueprints.ocpp.models.stations import Charger, ChargerDay, Connector

__all__ = [
    "Alert",
    "Charger",
    "ChargerDay",
    "Connector",
    "MeterReading",
    "OcppMessage",
    "OddStop",
    "Refusal",
    "Simulator",
    "Transaction",
    "UnknownTag",
]
