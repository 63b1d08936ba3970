"""Why the mailer refuses."""

from __future__ import annotations

from flask_babel import gettext

from app.domain_error import DomainError, NotFound


class IncompleteTemplate(DomainError):
    """A template without a name, a subject or a body."""

    def __init__(self) -> None:
        super().__init__(gettext("name, subject and body required"))


class IncompleteMail(DomainError):
    """Nobody to write to, or nothing to write."""

    def __init__(self) -> None:
        super().__init__(gettext("to and template_id required"))


class BadTemplate(DomainError):
    """A part of a template that cannot be used; ``part`` is its field."""

    def __init__(self, part: str, reason: str) -> None:
        self.part, self.reason = part, reason
        super().__init__(f"{part}: {reason}")


class NotText(DomainError):
    """A field that must be text is something else."""

    def __init__(self, name: str) -> None:
        super().__init__(gettext("%(name)s must be text", name=name))


class BadTemplateId(DomainError):
    """Not an id."""

    def __init__(self) -> None:
        super().__init__(gettext("template_id must be a whole number"))


class BadContext(DomainError):
    """Not values by name."""

    def __init__(self) -> None:
        super().__init__(gettext("context must be an object of texts and numbers"))


class MissingPlaceholder(DomainError):
    """The context lacks what a placeholder stands for."""

    def __init__(self, *names: str) -> None:
        asked = ", ".join(f"{{{name}}}" for name in names)
        super().__init__(gettext("the context lacks %(names)s", names=asked))


class TooLong(DomainError):
    """A mail that no mail server would take."""

    def __init__(self, limit: int) -> None:
        super().__init__(gettext("the mail would be longer than %(limit)d characters", limit=limit))


class InvalidTemplate(NotFound):
    """There is no such template."""

    def __init__(self) -> None:
        super().__init__(gettext("invalid template"))


class UnknownMail(NotFound):
    """There is no such mail in the queue."""

    def __init__(self) -> None:
        super().__init__(gettext("not found"))


class AlreadySent(DomainError):
    """A mail that was sent cannot be taken back, nor sent twice."""

    status_code = 409

    def __init__(self, mail: object) -> None:
        super().__init__(gettext("%(mail)s has been sent already", mail=mail))


class InHand(DomainError):
    """A worker is just sending this mail."""

    status_code = 409

    def __init__(self, mail: object) -> None:
        super().__init__(gettext("%(mail)s is just being sent: try again in a moment", mail=mail))


class NotWaiting(DomainError):
    """Only what waits can be cancelled."""

    status_code = 409

    def __init__(self, mail: object) -> None:
        super().__init__(gettext("%(mail)s does not wait", mail=mail))


class StillWaiting(DomainError):
    """What waits is cancelled before it is deleted."""

    status_code = 409

    def __init__(self, mail: object) -> None:
        super().__init__(gettext("%(mail)s waits to be sent: cancel it first", mail=mail))


class Wiped(DomainError):
    """The text of a private mail is gone once the mail is sent, failed or cancelled."""

    status_code = 409

    def __init__(self, mail: object) -> None:
        super().__init__(gettext("%(mail)s was private and its text is gone: have it sent anew", mail=mail))
