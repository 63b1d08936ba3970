"""What a charger's landing page says, in sentences for the driver who stands before it."""

from __future__ import annotations

from flask_babel import gettext, lazy_gettext

from app.blueprints.accounts.models import RFID
from app.blueprints.ocpp import words
from app.blueprints.ocpp.services import landing
from app.blueprints.ocpp.services.overview import Overview

# services.overview.STATES → what that means for whoever wants to charge.
MEANINGS = {
    "available": lazy_gettext("Plug in your car and start."),
    "preparing": lazy_gettext("A car is plugged in, but does not charge yet."),
    "charging": lazy_gettext("A car is charging here."),
    "suspended": lazy_gettext("A car is plugged in, but draws no power at the moment."),
    "finishing": lazy_gettext("Charging has ended. The cable is still plugged in."),
    "reserved": lazy_gettext("Somebody has reserved this charger."),
    "unavailable": lazy_gettext("Please use another charger."),
    "faulted": lazy_gettext("It reports a fault. Please use another charger, and tell the operator."),
    "connected": lazy_gettext("It has not told its state yet."),
    "offline": lazy_gettext(
        "It cannot be reached, so it cannot be started from here. Try a card, or another charger."
    ),
    "blocked": lazy_gettext("The operator has taken it out of service."),
    "pending": lazy_gettext("The operator has not put it into service yet."),
    "rejected": lazy_gettext("The operator has taken it out of service."),
}
# What comes of an order, and what stands in its way → a sentence.
OUTCOMES = {
    "asked": lazy_gettext(
        "The charger has accepted. Plug in your car, if you have not yet: charging is about to begin."
    ),
    "stopping": lazy_gettext("The charger is stopping."),
    "twice": lazy_gettext("The charger has been asked already. Wait a moment: this page shows what it does."),
    "charges": lazy_gettext("You are charging here already."),
    "ended": lazy_gettext("This session has ended already."),
    "rejected": lazy_gettext(
        "The charger refused to start. Check that the cable is plugged in, then try again."
    ),
    "stop_rejected": lazy_gettext("The charger refused to stop. End charging at the car or with your card."),
    "no_answer": lazy_gettext(
        "The charger did not answer in time. Look whether it does what you wanted before you try again."
    ),
    "failed": lazy_gettext("The charger could not do this. Try your card, or another charger."),
    "away": lazy_gettext(
        "Chargers cannot be reached from here at the moment. Use your card, or try again in a minute."
    ),
    "offline": lazy_gettext(
        "The charger is offline, so it cannot be reached from here. Start or stop at the charger itself."
    ),
    "busy": lazy_gettext("Another car is charging here."),
    "out_of_service": lazy_gettext("The charger is out of service. Please use another one."),
    "no_connector": lazy_gettext("The charger has no such connector."),
    "no_account": lazy_gettext(
        "You have no account yet, so you cannot start from here. Ask the operator for one."
    ),
    "no_card": lazy_gettext(
        "You have no card that may charge, so you cannot start from here. Ask the operator for one."
    ),
    "no_credit": lazy_gettext("You have no credit left, so you cannot start. Ask the operator to add some."),
    "not_yours": lazy_gettext("This card is not yours, or may not charge any more. Choose another."),
    "concurrent": lazy_gettext(
        "Your card is charging somewhere else. End that session first, or choose another card."
    ),
}
# Bootstrap's colours; the others warn.
_COLOURS = {
    **dict.fromkeys(("asked", "stopping"), "success"),
    **dict.fromkeys(("twice", "charges", "ended"), "info"),
}


def outcome(word: str) -> tuple[str, str]:
    """The colour and the sentence of a word; a reason of the chargers' own rule says why, too."""
    if word in OUTCOMES:
        return _COLOURS.get(word, "warning"), str(OUTCOMES[word])
    return "warning", gettext("You may not start here: %(reason)s.", reason=words.reason(word))


def sentence(word: str) -> str:
    """The sentence alone."""
    return outcome(word)[1]


def headline(seen: Overview) -> tuple[str, str]:
    """The colour and the words that tell the state at a glance; of several connectors, how many are free."""
    outlets, free = seen.outlets, landing.free(seen)
    if len(outlets) < 2 or landing.obstacle_of(seen) in ("offline", "out_of_service"):
        return words.colour(seen.state), words.state(seen.state)
    said = gettext(
        "%(free)s of %(all)s connectors free", free=words.count(len(free)), all=words.count(len(outlets))
    )
    return ("success" if free else words.colour(seen.state)), said


def meaning(seen: Overview) -> str:
    """What the state means for whoever wants to charge."""
    if len(seen.outlets) > 1 and landing.free(seen):
        return str(MEANINGS["available"])
    return str(MEANINGS[seen.state])


def key(seen: Overview) -> str:
    """What a page that follows compares: when it differs, the page is asked for anew (ocpp-landing.js)."""
    outlets = (f"{one.connector_id}:{one.status}:{int(one.running is not None)}" for one in seen.outlets)
    return "|".join([seen.state, *outlets])


def card(card: RFID) -> str:
    """A card, in a choice of several."""
    return gettext("Card %(number)s", number=words.card(card.rfid))
