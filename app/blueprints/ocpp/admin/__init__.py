"""Staff screens of ocpp."""

from __future__ import annotations

from flask_babel import lazy_gettext

from app.admin_base import StaffPage, StaffView
from app.blueprints.ocpp.admin.alerts import AlertAdmin
from app.blueprints.ocpp.admin.authorization import AuthorizationPage
from app.blueprints.ocpp.admin.chargers import ChargerAdmin
from app.blueprints.ocpp.admin.labels import LabelsPage
from app.blueprints.ocpp.admin.records import (
    ConnectorAdmin,
    MeterReadingAdmin,
    OcppMessageAdmin,
    RefusalAdmin,
    TransactionAdmin,
)
from app.blueprints.ocpp.admin.simulators import SimulatorAdmin
from app.blueprints.ocpp.admin.tidying import OddStopAdmin, UnknownTagAdmin
from app.blueprints.ocpp.models import (
    Alert,
    Charger,
    Connector,
    MeterReading,
    OcppMessage,
    OddStop,
    Refusal,
    Simulator,
    Transaction,
    UnknownTag,
)
from app.db import db


def views() -> list[StaffView | StaffPage]:
    """What the admin hangs up, in the order of its menu."""
    kinds = (
        (ChargerAdmin, Charger, "charger", lazy_gettext("Chargers")),
        (AlertAdmin, Alert, "alert", lazy_gettext("Alerts")),
        (ConnectorAdmin, Connector, "connector", lazy_gettext("Connectors")),
        (TransactionAdmin, Transaction, "transaction", lazy_gettext("Transactions")),
        (MeterReadingAdmin, MeterReading, "meter_reading", lazy_gettext("Meter readings")),
        (OcppMessageAdmin, OcppMessage, "ocpp_message", lazy_gettext("Messages")),
        (RefusalAdmin, Refusal, "refusal", lazy_gettext("Refused tags")),
        (UnknownTagAdmin, UnknownTag, "unknown_tag", lazy_gettext("Unknown tags")),
        (OddStopAdmin, OddStop, "odd_stop", lazy_gettext("Odd stops")),
        (SimulatorAdmin, Simulator, "simulator", lazy_gettext("Simulators")),
    )
    category = lazy_gettext("Charging")
    return [
        *(
            kind(model, db, name=name, category=category, endpoint=endpoint)
            for kind, model, endpoint, name in kinds
        ),
        AuthorizationPage(lazy_gettext("Test authorization"), category, "authorization"),
        LabelsPage(lazy_gettext("QR labels"), category, "qr_labels"),
    ]
