"""Commands in plain words: what each does, what it may take away, and what it asks."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext

# What commands are for → command → in plain words. Their order is that of the page.
KINDS: dict[Any, dict[str, Any]] = {
    lazy_gettext("Charging"): {
        "RemoteStartTransaction": lazy_gettext("Start charging"),
        "RemoteStopTransaction": lazy_gettext("Stop charging"),
        "UnlockConnector": lazy_gettext("Unlock a connector"),
        "ReserveNow": lazy_gettext("Reserve a connector"),
        "CancelReservation": lazy_gettext("Cancel a reservation"),
    },
    lazy_gettext("Operation"): {
        "ChangeAvailability": lazy_gettext("Put in or out of service"),
        "Reset": lazy_gettext("Restart"),
        "TriggerMessage": lazy_gettext("Ask for a message"),
        "ExtendedTriggerMessage": lazy_gettext("Ask for a message (security extension)"),
        "DataTransfer": lazy_gettext("Send vendor data"),
    },
    lazy_gettext("Configuration"): {
        "GetConfiguration": lazy_gettext("Read the configuration"),
        "ChangeConfiguration": lazy_gettext("Change a key"),
        "SendLocalList": lazy_gettext("Send the local list of tags"),
        "GetLocalListVersion": lazy_gettext("Read the version of the local list"),
        "ClearCache": lazy_gettext("Forget remembered tags"),
    },
    lazy_gettext("Smart charging"): {
        "SetChargingProfile": lazy_gettext("Set a charging profile"),
        "ClearChargingProfile": lazy_gettext("Remove charging profiles"),
        "GetCompositeSchedule": lazy_gettext("Read the schedule in force"),
    },
    lazy_gettext("Upkeep"): {
        "GetDiagnostics": lazy_gettext("Have diagnostics uploaded"),
        "GetLog": lazy_gettext("Have a log uploaded"),
        "UpdateFirmware": lazy_gettext("Update the firmware"),
        "SignedUpdateFirmware": lazy_gettext("Update signed firmware"),
    },
    lazy_gettext("Certificates"): {
        "GetInstalledCertificateIds": lazy_gettext("List certificates"),
        "InstallCertificate": lazy_gettext("Install a certificate"),
        "DeleteCertificate": lazy_gettext("Delete a certificate"),
        "CertificateSigned": lazy_gettext("Send a signed certificate"),
    },
}
TITLES = {action: title for actions in KINDS.values() for action, title in actions.items()}
# Commands that take something away → what; they are sent once staff have said that they know.
CONSEQUENCES: dict[str, Any] = {
    "RemoteStopTransaction": lazy_gettext("Somebody's car stops charging."),
    "UnlockConnector": lazy_gettext("Whatever charges there ends, and the cable is released."),
    "CancelReservation": lazy_gettext("Whoever reserved it may find it taken."),
    "ChangeAvailability": lazy_gettext("Out of service, nobody can charge there until it is put back."),
    "Reset": lazy_gettext("Whatever charges ends, and the charger is away for a while."),
    "ChangeConfiguration": lazy_gettext("A wrong value can cut the charger off."),
    "SendLocalList": lazy_gettext("Who is no longer in the list cannot charge while the charger is offline."),
    "ClearCache": lazy_gettext("Drivers whom the charger remembered cannot charge while it is offline."),
    "ClearChargingProfile": lazy_gettext("Limits of power that protect the installation may go."),
    "UpdateFirmware": lazy_gettext("The charger restarts; wrong firmware may keep it away."),
    "SignedUpdateFirmware": lazy_gettext("The charger restarts; wrong firmware may keep it away."),
    "InstallCertificate": lazy_gettext("A wrong certificate can cut the charger off."),
    "DeleteCertificate": lazy_gettext("Without it, the charger may not trust this server any more."),
    "CertificateSigned": lazy_gettext("A wrong certificate can cut the charger off."),
}  # fmt: skip
# Properties that are asked for often, in plain words; the others go by the standard's.
LABELS = {
    "connectorId": lazy_gettext("Connector"),
    "idTag": lazy_gettext("Id tag"),
    "parentIdTag": lazy_gettext("Group of the tag"),
    "transactionId": lazy_gettext("Transaction"),
    "reservationId": lazy_gettext("Number of the reservation"),
    "expiryDate": lazy_gettext("Valid until"),
    "type": lazy_gettext("Kind"),
    "key": lazy_gettext("Key"),
    "value": lazy_gettext("Value"),
    "requestedMessage": lazy_gettext("Message"),
    "location": lazy_gettext("Address to load from or to"),
    "startTime": lazy_gettext("From"),
    "stopTime": lazy_gettext("Until"),
    "retries": lazy_gettext("Tries"),
    "retryInterval": lazy_gettext("Seconds between tries"),
    "retrieveDate": lazy_gettext("Not before"),
    "duration": lazy_gettext("Seconds"),
    "listVersion": lazy_gettext("Version of the list"),
    "updateType": lazy_gettext("Whole list, or changes"),
    "localAuthorizationList": lazy_gettext("Tags"),
    "chargingSchedulePeriod": lazy_gettext("Periods"),
    "startPeriod": lazy_gettext("Begins after (s)"),
    "limit": lazy_gettext("Limit"),
}
