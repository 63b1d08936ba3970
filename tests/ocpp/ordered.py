"""One valid payload for every command that the central system may send (H1)."""

from __future__ import annotations

import re
from typing import Any

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"
SOON = "2030-01-01T00:00:00Z"
LATER = "2030-01-02T00:00:00Z"
PROFILE = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Absolute",
    "chargingSchedule": {
        "chargingRateUnit": "W",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 11000.5}],
    },
}

COMMANDS: dict[str, dict[str, Any]] = {
    "CancelReservation": {"reservationId": 7},
    "CertificateSigned": {"certificateChain": PEM},
    "ChangeAvailability": {"connectorId": 1, "type": "Operative"},
    "ChangeConfiguration": {"key": "HeartbeatInterval", "value": "120"},
    "ClearCache": {},
    "ClearChargingProfile": {"id": 3, "chargingProfilePurpose": "TxProfile", "stackLevel": 1},
    "DataTransfer": {"vendorId": "org.example", "messageId": "greeting", "data": "mañana"},
    "DeleteCertificate": {
        "certificateHashData": {
            "hashAlgorithm": "SHA256",
            "issuerNameHash": "a" * 64,
            "issuerKeyHash": "b" * 64,
            "serialNumber": "1f",
        }
    },
    "ExtendedTriggerMessage": {"requestedMessage": "StatusNotification", "connectorId": 1},
    "GetCompositeSchedule": {"connectorId": 1, "duration": 60, "chargingRateUnit": "W"},
    "GetConfiguration": {"key": ["HeartbeatInterval", "Nonsense"]},
    "GetDiagnostics": {
        "location": "ftp://127.0.0.1/logs",
        "retries": 1,
        "retryInterval": 2,
        "startTime": SOON,
        "stopTime": LATER,
    },
    "GetInstalledCertificateIds": {"certificateType": "CentralSystemRootCertificate"},
    "GetLocalListVersion": {},
    "GetLog": {
        "log": {"remoteLocation": "ftp://127.0.0.1/logs", "oldestTimestamp": SOON, "latestTimestamp": LATER},
        "logType": "DiagnosticsLog",
        "requestId": 1,
        "retries": 1,
        "retryInterval": 2,
    },
    "InstallCertificate": {"certificateType": "CentralSystemRootCertificate", "certificate": PEM},
    "RemoteStartTransaction": {"idTag": "CAFE", "connectorId": 1, "chargingProfile": PROFILE},
    "RemoteStopTransaction": {"transactionId": 5},
    "ReserveNow": {
        "connectorId": 1,
        "expiryDate": SOON,
        "idTag": "CAFE",
        "parentIdTag": "MUM",
        "reservationId": 7,
    },
    "Reset": {"type": "Hard"},
    "SendLocalList": {
        "listVersion": 1,
        "updateType": "Full",
        "localAuthorizationList": [
            {"idTag": "CAFE", "idTagInfo": {"status": "Accepted", "expiryDate": SOON, "parentIdTag": "MUM"}}
        ],
    },
    "SetChargingProfile": {"connectorId": 1, "csChargingProfiles": PROFILE},
    "SignedUpdateFirmware": {
        "requestId": 1,
        "firmware": {
            "location": "ftp://127.0.0.1/firmware",
            "retrieveDateTime": SOON,
            "installDateTime": LATER,
            "signingCertificate": PEM,
            "signature": "c2lnbmVk",
        },
        "retries": 1,
        "retryInterval": 2,
    },
    "TriggerMessage": {"requestedMessage": "Heartbeat", "connectorId": 1},
    "UnlockConnector": {"connectorId": 1},
    "UpdateFirmware": {
        "location": "ftp://127.0.0.1/firmware",
        "retries": 1,
        "retrieveDate": SOON,
        "retryInterval": 2,
    },
}
# Names that differ from the standard's in snake case, as the seed spelled them.
SHORT = {
    "RemoteStartTransaction": "remote_start",
    "RemoteStopTransaction": "remote_stop",
    "UnlockConnector": "unlock",
}


def snake(name: str) -> str:
    """``idTag`` → ``id_tag``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def in_snake(value: Any) -> Any:
    """A payload in people's spelling, all the way down."""
    if isinstance(value, dict):
        return {snake(name): in_snake(item) for name, item in value.items()}
    return [in_snake(item) for item in value] if isinstance(value, list) else value


def bodies(action: str) -> dict[str, dict[str, Any]]:
    """The ways to order a command: spelling → body."""
    payload = COMMANDS[action]
    found: dict[str, dict[str, Any]] = {
        "standard": {"action": action, "payload": payload},
        "snake": {"action": snake(action), **in_snake(payload)},
        "mixed": {"action": snake(action), **payload},
    }
    if action in SHORT:
        found["short"] = {"action": SHORT[action], **in_snake(payload)}
    return found
