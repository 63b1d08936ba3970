"""What the names of the program and of the standard are called on pages: tables, name → words.

``words.py`` makes sentences, figures and times of them.
"""

from __future__ import annotations

from flask_babel import lazy_gettext

# services.overview.STATES → words.
STATES = {
    "faulted": lazy_gettext("Faulted"),
    "charging": lazy_gettext("Charging"),
    "suspended": lazy_gettext("Paused"),
    "finishing": lazy_gettext("Finishing"),
    "preparing": lazy_gettext("Preparing"),
    "available": lazy_gettext("Available"),
    "reserved": lazy_gettext("Reserved"),
    "unavailable": lazy_gettext("Out of service"),
    "connected": lazy_gettext("Connected"),
    "offline": lazy_gettext("Offline"),
    "blocked": lazy_gettext("Blocked"),
    "pending": lazy_gettext("Waiting for approval"),
    "rejected": lazy_gettext("Rejected"),
}
# The nine statuses of a connector (OCPP 1.6, 7.7) → words.
STATUSES = {
    "Available": lazy_gettext("Available"),
    "Preparing": lazy_gettext("Preparing"),
    "Charging": lazy_gettext("Charging"),
    "SuspendedEV": lazy_gettext("Paused by the car"),
    "SuspendedEVSE": lazy_gettext("Paused by the charger"),
    "Finishing": lazy_gettext("Finishing"),
    "Reserved": lazy_gettext("Reserved"),
    "Unavailable": lazy_gettext("Out of service"),
    "Faulted": lazy_gettext("Faulted"),
}
# Bootstrap's colour of each state.
COLOURS = {
    "faulted": "danger",
    "charging": "primary",
    "suspended": "info",
    "finishing": "info",
    "preparing": "info",
    "available": "success",
    "reserved": "warning",
    "unavailable": "secondary",
    "connected": "success",
    "offline": "secondary",
    "blocked": "dark",
    "pending": "warning",
    "rejected": "danger",
}
# services.alerts' kinds → words.
KINDS_OF_ALERTS = {
    "silent": lazy_gettext("silent"),
    "fault": lazy_gettext("fault"),
    "disk": lazy_gettext("disk"),
}
# Why a tag was refused (services.authorization.REASONS) → words.
REASONS = {
    "blocked": lazy_gettext("the tag is blocked"),
    "expired": lazy_gettext("the tag has expired"),
    "unknown": lazy_gettext("nobody knows the tag"),
    "no_owner": lazy_gettext("the tag has no owner"),
    "owner_locked": lazy_gettext("its owner is locked"),
    "no_credit": lazy_gettext("its owner has no credit left"),
    "concurrent": lazy_gettext("the tag charges elsewhere"),
    "not_registered": lazy_gettext("the charger is not accepted"),
    "no_tag": lazy_gettext("no tag was shown"),
}
# What was odd about a session (the flags of services.transactions), as its driver needs to know it. Flags
# that change nothing for a driver have no words.
ODDITIES = {
    "credit_gone": lazy_gettext("The credit was used up, so the charger was asked to stop."),
    "stale": lazy_gettext("The charger never said that this session had ended: its last reading counts."),
    "closed_by_staff": lazy_gettext("The operator ended this session: its last reading counts."),
    "no_meter_stop": lazy_gettext("The charger sent no final reading: the last one before it counts."),
    "no_meter_start": lazy_gettext("The charger did not say where its meter stood at the start."),
    "meter_backwards": lazy_gettext("The charger's meter ran backwards for a while."),
    "clock_ahead": lazy_gettext("The charger's clock was wrong: so may be the times."),
    "clock_unset": lazy_gettext("The charger's clock was wrong: so may be the times."),
    "no_clock": lazy_gettext("The charger told no time: the times are those of the server."),
    "stopped_before_start": lazy_gettext("The charger's clock was wrong: so may be the times."),
    "late": lazy_gettext("The charger was offline, and reported this session later."),
}
# Why a session ended (OCPP 1.6, 7.36) → words.
STOP_REASONS = {
    "DeAuthorized": lazy_gettext("the card was no longer accepted"),
    "EmergencyStop": lazy_gettext("the emergency stop was pressed"),
    "EVDisconnected": lazy_gettext("the car was unplugged"),
    "HardReset": lazy_gettext("the charger was restarted"),
    "Local": lazy_gettext("stopped at the charger"),
    "Other": lazy_gettext("for another reason"),
    "PowerLoss": lazy_gettext("the charger lost its power"),
    "Reboot": lazy_gettext("the charger was restarted"),
    "Remote": lazy_gettext("stopped from afar"),
    "SoftReset": lazy_gettext("the charger was restarted"),
    "UnlockCommand": lazy_gettext("the plug was unlocked"),
}
