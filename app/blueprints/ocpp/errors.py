"""Why a command, or something that staff ask of a charger, is refused."""

from __future__ import annotations

from collections.abc import Sequence

from flask_babel import lazy_gettext, ngettext

from app.domain_error import DomainError, NotFound


class ChargerOffline(DomainError):
    """The charge point has no open socket, so no command can reach it."""

    status_code = 404

    def __init__(self) -> None:
        super().__init__(lazy_gettext("no connection"))


class NoTransaction(NotFound):
    """Nothing runs on this charger."""

    def __init__(self) -> None:
        super().__init__(lazy_gettext("no transaction"))


class UnknownAction(DomainError):
    """No such command in this protocol version."""

    def __init__(self) -> None:
        super().__init__(lazy_gettext("unknown action"))


class BadParameter(DomainError):
    """A parameter is missing, unknown or of the wrong shape; nothing was sent."""


class CommandNotAllowed(DomainError):
    """The charger's registration forbids this command now."""


class RefusedByCharger(DomainError):
    """The charge point answered with a CALLERROR."""

    status_code = 502

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f"{code}: {description}" if description else code)
        self.code, self.description = code, description


class NoAnswer(DomainError):
    """The charge point did not answer in time."""

    status_code = 504

    def __init__(self) -> None:
        super().__init__(lazy_gettext("the charger did not answer in time"))


class BusAway(DomainError):
    """Another process holds the charger, and the bus between processes is down."""

    status_code = 503

    def __init__(self) -> None:
        super().__init__(lazy_gettext("the command bus (Redis) is away: charging goes on, commands do not"))


class TooManySessions(DomainError):
    """More than a workbook is made for."""

    def __init__(self, most: int) -> None:
        super().__init__(
            lazy_gettext(
                "An XLSX file holds %(most)s sessions at most: choose a shorter period, or take the CSV.",
                most=most,
            )
        )


class NoAccount(NotFound):
    """The user has no account, so nothing charges on it."""

    def __init__(self) -> None:
        super().__init__(lazy_gettext("you have no account: ask the operator"))


class SimulatorsExist(DomainError):
    """Some of the simulators to be made are there already, by name or as the charger that they would be."""

    status_code = 409
    SHOWN = 5

    def __init__(self, names: Sequence[str]) -> None:
        shown = ", ".join(names[: self.SHOWN]) + ("…" if len(names) > self.SHOWN else "")
        super().__init__(
            ngettext(
                "%(num)d simulator has such a name, or is such a charger, already: %(names)s",
                "%(num)d simulators have such a name, or are such a charger, already: %(names)s",
                len(names),
                names=shown,
            )
        )


class BooksDiffer(DomainError):
    """Totals of accounts are not the sums of their rows."""

    status_code = 500

    def __init__(self, count: int) -> None:
        super().__init__(
            ngettext(
                "%(num)d account differs from its rows: flask accounts verify says how",
                "%(num)d accounts differ from their rows: flask accounts verify says how",
                count,
            )
        )
