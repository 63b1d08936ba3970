"""What chargers and transactions look like in JSON, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from app.blueprints.ocpp.services import message_log
from app.blueprints.ocpp.services.overview import STATES
from app.openapi_base import Node, array, of, record, ref, time

CONNECTOR_NUMBER = of("integer", "The outlet's number; 0 is the charger as a whole.")
STATUS = of("string", "The charger's word (OCPP 1.6, 7.7); empty until it has said.", examples=["Charging"])
POWER = of("integer", "Watts drawn now.", null=True)
TAKEN = of("number", "What the running transaction has taken so far.", null=True)
STATE = of("string", "The charger in a word.", enum=list(STATES))
REFUSED = "Why the start was refused; the charger may have charged all the same."

CHARGER_TRANSACTION = record(
    {
        "transactionId": of("integer", "The id that the charger was given."),
        "connectorId": CONNECTOR_NUMBER,
        "idTag": of("string"),
        "meterStart": of("integer", "Wh."),
        "startTime": time("The charger's clock."),
        "energyWh": of("integer", "So far, or in all."),
        "meterStop": of("integer", "Wh; only of one that has ended."),
        "stopTime": time("Only of one that has ended."),
        "refused": of("string", REFUSED),
    },
    optional=("meterStop", "stopTime", "refused"),
    description="A transaction, as its charger tells it.",
)

CONNECTOR = record(
    {
        "connector_id": CONNECTOR_NUMBER,
        "status": STATUS,
        "error_code": of("string", examples=["NoError"]),
        "info": of("string"),
        "since": time("When it came to be so, by the charger's clock.", null=True),
        "power_w": POWER,
        "energy_kwh": TAKEN,
        "meter_wh": of("integer", "The newest reading of its meter.", null=True),
        "transactionId": of("integer", "The running transaction.", null=True),
    },
    description="An outlet.",
)

CHARGER = record(
    {
        "charger_id": of("string"),
        "name": of("string"),
        "config": of("object", "Whatever staff have noted."),
        "require_rfid": of("boolean", "Whether only known tags may charge."),
        "transaction": {
            "anyOf": [ref("ChargerTransaction"), of("null")],
            "description": "The running transaction, else the newest.",
        },
        "lastHeartbeat": time("When the last Heartbeat came.", null=True),
        "lastMeterValues": of("object", "The last MeterValues, as the charger sent them.", null=True),
        "connected": of("boolean", "Whether its socket is open."),
        "connected_since": time("When its socket was opened.", null=True),
        "last_seen": time("When it last said anything.", null=True),
        "state": STATE,
        "registration_status": of(
            "string", "What staff have it told at boot.", enum=["Accepted", "Pending", "Rejected"]
        ),
        "blocked": of("boolean", "Whether it is refused at the door."),
        "vendor": of("string"),
        "model": of("string"),
        "serial_number": of("string"),
        "firmware_version": of("string"),
        "power_w": POWER,
        "connectors": array(ref("Connector")),
    },
    description="A charger with its present state.",
)

CHARGER_IN_DETAIL = record(
    {
        **CHARGER["properties"],
        "transactions": array(ref("ChargerTransaction"), "The last 20, newest first."),
        "log": array(
            of("string"), f"The last {message_log.LINES} frames, newest last: `> ` the charger's, `< ` ours."
        ),
    },
    description="The same, with what happened last.",
)

PUBLIC_CHARGER = record(
    {
        "charger_id": of("string"),
        "name": of("string"),
        "state": STATE,
        "connected": of("boolean"),
        "last_seen": time("When it last said anything.", null=True),
        "power_w": POWER,
        "energy_kwh": TAKEN,
        "energy_today_kwh": of("number", "Delivered today, in the site's zone."),
        "connectors": array(
            record(
                {
                    "connector_id": CONNECTOR_NUMBER,
                    "status": STATUS,
                    "power_w": POWER,
                    "energy_kwh": TAKEN,
                }
            )
        ),
    },
    description="What anyone may see of a charger, in the events of the dashboard.",
)
SITE_TOTALS = record(
    {
        "chargers": of("integer", "All that are known."),
        "connected": of("integer"),
        "charging": of("integer", "Chargers at which something charges."),
        "power_w": of("integer", "What all of them draw now."),
        "energy_today_kwh": of("number", "What all of them delivered today."),
    },
    description="The whole site, in the events of the dashboard.",
)

ALERT = record(
    {
        "id": of("integer"),
        "kind": of("string", "What is wrong.", enum=["silent", "fault", "disk"]),
        "charger_id": of("string", "None: it is about the installation.", null=True),
        "connector_id": of("integer", "The outlet, of a fault.", null=True),
        "since": time("When it began; of a fault, by the charger's clock."),
        "detail": of("string", "The charger's error code and words; the folder and the room that is left."),
        "text": of("string", "A sentence that says all of it."),
    },
    description="Something that staff must know of.",
)

SCHEMAS: dict[str, Node] = {
    "Alert": ALERT,
    "Charger": CHARGER,
    "ChargerInDetail": CHARGER_IN_DETAIL,
    "ChargerTransaction": CHARGER_TRANSACTION,
    "Connector": CONNECTOR,
    "PublicCharger": PUBLIC_CHARGER,
    "SiteTotals": SITE_TOTALS,
}

EXAMPLES: dict[str, dict[str, Any]] = {
    "Alert": {
        "id": 4,
        "kind": "fault",
        "charger_id": "SIM1",
        "connector_id": 2,
        "since": "2026-01-31T08:12:00Z",
        "detail": "GroundFailure",
        "text": "Gate (SIM1), connector 2, reports a fault since Jan 31, 2026, 8:12:00 AM: GroundFailure",
    },
    "Charger": {
        "charger_id": "SIM1",
        "name": "North gate",
        "config": {},
        "require_rfid": True,
        "transaction": {
            "transactionId": 17,
            "connectorId": 1,
            "idTag": "FFFFFFFF",
            "meterStart": 120400,
            "startTime": "2026-01-31T08:00:00Z",
            "energyWh": 3600,
        },
        "lastHeartbeat": "2026-01-31T08:30:00Z",
        "lastMeterValues": {
            "connectorId": 1,
            "transactionId": 17,
            "meterValue": [
                {
                    "timestamp": "2026-01-31T08:29:50Z",
                    "sampledValue": [{"value": "124000", "measurand": "Energy.Active.Import.Register"}],
                }
            ],
        },
        "connected": True,
        "connected_since": "2026-01-30T21:12:05Z",
        "last_seen": "2026-01-31T08:30:00Z",
        "state": "charging",
        "registration_status": "Accepted",
        "blocked": False,
        "vendor": "Acme",
        "model": "Wallbox 22",
        "serial_number": "A-1007",
        "firmware_version": "2.4.1",
        "power_w": 7200,
        "connectors": [
            {
                "connector_id": 1,
                "status": "Charging",
                "error_code": "NoError",
                "info": "",
                "since": "2026-01-31T08:00:02Z",
                "power_w": 7200,
                "energy_kwh": 3.6,
                "meter_wh": 124000,
                "transactionId": 17,
            }
        ],
    },
}
EXAMPLES["ChargerInDetail"] = EXAMPLES["Charger"] | {
    "transactions": [EXAMPLES["Charger"]["transaction"]],
    "log": ['> [2,"8","Heartbeat",{}]', '< [3,"8",{"currentTime":"2026-01-31T08:30:00Z"}]'],
}
