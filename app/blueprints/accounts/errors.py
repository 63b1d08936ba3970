"""Why accounts refuses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from flask_babel import format_decimal, gettext, ngettext

from app.blueprints.accounts.tag_sentences import BadLine
from app.domain_error import DomainError, NotFound

if TYPE_CHECKING:
    from app.blueprints.accounts.models import Credit


class UnknownUser(NotFound):
    """Nobody has this name."""

    def __init__(self, username: str) -> None:
        super().__init__(gettext("there is no user %(name)s", name=username))


class UserExists(DomainError):
    """The name is taken."""

    def __init__(self, username: str) -> None:
        super().__init__(gettext("there is a user %(name)s already", name=username))


class BadUsername(DomainError):
    """A name that could be mistaken for another, or that a page could not show."""

    def __init__(self) -> None:
        super().__init__(gettext("a user name has 1 to 150 letters, digits, and @ . + - _"))


class BadPassword(DomainError):
    """Too long to be a password."""

    def __init__(self, longest: int) -> None:
        super().__init__(gettext("a password has at most %(longest)d characters", longest=longest))


class WeakPassword(DomainError):
    """A password that would soon be guessed."""


class ShortPassword(WeakPassword):
    """Few characters are soon tried through."""

    def __init__(self, shortest: int) -> None:
        super().__init__(gettext("a password has at least %(shortest)d characters", shortest=shortest))


class OwnName(WeakPassword):
    """What everybody knows of a user is the first guess."""

    def __init__(self) -> None:
        super().__init__(gettext("a password is neither the user name nor the email address"))


class CommonPassword(WeakPassword):
    """One of those that are tried first, everywhere."""

    def __init__(self) -> None:
        super().__init__(gettext("this password is one of the most common ones: choose another"))


class WrongPassword(DomainError):
    """Not the password of whoever is logged in."""

    def __init__(self) -> None:
        super().__init__(gettext("this is not your password"))


class DeadLink(DomainError):
    """A link that was used, has ended, was replaced, or never was one."""

    status_code = 410

    def __init__(self) -> None:
        super().__init__(gettext("this link does not work any more"))


class NoEmail(DomainError):
    """Nothing can be sent to a user without an email address."""

    def __init__(self, username: str) -> None:
        super().__init__(gettext("%(name)s has no email address", name=username))


class LockedUser(DomainError):
    """A locked user is not invited: the link would not work."""

    def __init__(self, username: str) -> None:
        super().__init__(gettext("%(name)s is locked: unlock the user first", name=username))


class BadToken(DomainError):
    """A token that somebody chose, and that a header cannot carry."""

    def __init__(self) -> None:
        super().__init__(gettext("an API token is made of letters, digits and signs, without spaces"))


class HasHistory(DomainError):
    """What has history is locked, not deleted."""

    status_code = 409

    def __init__(self, username: str, traces: Iterable[str]) -> None:
        super().__init__(
            gettext(
                "%(name)s has history (%(traces)s), so it cannot be deleted: lock the user instead",
                name=username,
                traces=", ".join(traces),
            )
        )


class SelfHarm(DomainError):
    """Staff who lock themselves out cannot undo it."""

    def __init__(self) -> None:
        super().__init__(gettext("you cannot lock yourself out: ask another member of staff"))


class BadAmount(DomainError):
    """Not an amount of credit."""

    def __init__(self) -> None:
        super().__init__(
            gettext(
                "the amount is a number of kWh, not zero, with at most 8 digits before and 2 after the point"
            )
        )


class AddedAlready(DomainError):
    """The same form again: a double click, a page that was gone back to, a retry by the network."""

    status_code = 409

    def __init__(self, credit: Credit) -> None:
        self.credit = credit
        super().__init__(
            gettext(
                "this form has added %(amount)s kWh to the account of %(name)s already; "
                "nothing was added again",
                amount=format_decimal(credit.amount_kwh),
                name=credit.account,
            )
        )


class BadRfid(DomainError):
    """Not a card's id."""

    def __init__(self) -> None:
        super().__init__(gettext("RFID must be 8, 14 or 20 hexadecimal digits"))


class BadField(DomainError):
    """A field of a request that cannot be. ``reason`` stands next to the field, ``detail`` names it too."""

    def __init__(self, field: str, reason: str) -> None:
        self.field, self.reason = field, reason
        super().__init__(f"{field}: {reason}")


class BadFields(DomainError):
    """Fields of a request that cannot be, each of them named; nothing was changed."""

    def __init__(self, wrong: Sequence[BadField]) -> None:
        self.wrong = wrong
        super().__init__("; ".join(error.detail for error in wrong))


class NothingTold(DomainError):
    """A request that names nothing of what it could change."""

    def __init__(self, fields: Iterable[str]) -> None:
        super().__init__(gettext("at least one of %(fields)s required", fields=", ".join(fields)))


class BadState(BadField):
    """Addresses lie in Coahuila or Nuevo León."""

    def __init__(self) -> None:
        super().__init__("state", gettext("must be CO (Coahuila) or NL (Nuevo León)"))


class BadMunicipality(BadField):
    """A municipality that does not lie in the state."""

    def __init__(self, municipality: str, state: str) -> None:
        super().__init__(
            "municipality",
            gettext(
                "%(municipality)s does not lie in %(state)s", municipality=municipality[:100], state=state
            ),
        )


class BadVin(DomainError):
    """Not a vehicle identification number (ISO 3779)."""

    def __init__(self) -> None:
        super().__init__(gettext("VIN must be 17 letters and digits, without I, O and Q"))


class VinTaken(DomainError):
    """A vehicle identification number belongs to one car."""

    status_code = 409

    def __init__(self, vin: str, username: str) -> None:
        super().__init__(
            gettext("the vehicle with the VIN %(vin)s is on the account of %(name)s", vin=vin, name=username)
        )


class RfidRequired(DomainError):
    """No tag came along. The words are the contract's."""

    def __init__(self) -> None:
        super().__init__("rfid required")


class InvalidRfid(DomainError):
    """A tag that logs nobody in; why not is not said. The words are the contract's."""

    status_code = 401

    def __init__(self) -> None:
        super().__init__("invalid RFID")


class InvalidToken(DomainError):
    """The Bearer token is unknown or revoked, or its user is locked. The words are the contract's."""

    status_code = 401

    def __init__(self) -> None:
        super().__init__("invalid API token")


class BadFile(DomainError):
    """A file with lines that cannot be imported; nothing was."""

    def __init__(self, lines: Sequence[BadLine]) -> None:
        self.lines = lines
        count = ngettext("%(num)d bad line", "%(num)d bad lines", len(lines))
        super().__init__(
            "\n".join(
                [gettext("nothing was imported: %(count)s", count=count), *(str(line) for line in lines)]
            )
        )


class Overtaken(DomainError):
    """Between looking and writing, somebody else has changed the same tags or users."""

    status_code = 409

    def __init__(self) -> None:
        super().__init__(
            gettext("nothing was imported: others have changed the same tags meanwhile; try again")
        )


class NoFile(DomainError):
    """A form without a file, or with an empty one."""

    def __init__(self) -> None:
        super().__init__(gettext("choose a file that is not empty"))


class FileTooLarge(DomainError):
    """A file that the web process should not have in hand."""

    status_code = 413

    def __init__(self, most_mb: int) -> None:
        super().__init__(gettext("a file may have %(most)d MB at most: split it", most=most_mb))


class PassedOver(DomainError):
    """Somebody asks of a file of tags what its state does not allow (any more)."""

    status_code = 409

    def __init__(self) -> None:
        super().__init__(gettext("the file is no longer in the state that you saw: look again"))
