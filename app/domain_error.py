"""What a service raises when it refuses: a sentence for people and a status for HTTP."""

from __future__ import annotations


class DomainError(Exception):
    """A request that cannot be met. ``status_code`` is the HTTP status that says so."""

    status_code = 400

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class NotFound(DomainError):
    """What was asked for does not exist."""

    status_code = 404
