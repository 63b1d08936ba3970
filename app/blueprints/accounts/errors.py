"""Why accounts refuses."""

from __future__ import annotations

from collections.abc import Sequence

from flask_babel import gettext, ngettext

from app.blueprints.accounts.tag_sentences import BadLine
from app.domain_error import DomainError, NotFound


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


class BadToken(DomainError):
    """A token that somebody chose, and that a header cannot carry."""

    def __init__(self) -> None:
        super().__init__(gettext("an API token is made of letters, digits and signs, without spaces"))


class HasHistory(DomainError):
    """What has history is locked, not deleted."""

    status_code = 409

    def __init__(self, username: str) -> None:
        super().__init__(
            gettext("%(name)s has history, so it cannot be deleted: lock the user instead", name=username)
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


class BadRfid(DomainError):
    """Not a card's id."""

    def __init__(self) -> None:
        super().__init__(gettext("RFID must be 8, 14 or 20 hexadecimal digits"))


class BadState(DomainError):
    """Addresses lie in Coahuila or Nuevo León."""

    field = "state"

    def __init__(self) -> None:
        super().__init__(gettext("state must be CO (Coahuila) or NL (Nuevo León)"))


class BadMunicipality(DomainError):
    """A municipality that does not lie in the state."""

    field = "municipality"

    def __init__(self, municipality: str, state: str) -> None:
        super().__init__(
            gettext(
                "municipality: %(municipality)s does not lie in %(state)s",
                municipality=municipality[:100],
                state=state,
            )
        )


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
