"""Why nothing is released. Read on the command line by those who release, so in English only."""

from __future__ import annotations

from app.domain_error import DomainError


class ReleaseRefused(DomainError):
    """A release that cannot be made, or went no further; the sentence says why and what to do."""


class MissingCredentials(ReleaseRefused):
    """There is neither a token nor a user name with a password."""

    def __init__(self) -> None:
        super().__init__("Missing PyPI credentials: set PYPI_API_TOKEN, or PYPI_USERNAME and PYPI_PASSWORD.")


class UploadRefused(ReleaseRefused):
    """The repository did not take a file."""


class AlreadyUploaded(UploadRefused):
    """The repository has this file, and files there are never replaced."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The repository has {name} already: release a new version (--bump), or pass over what is there"
            " (--force)."
        )
