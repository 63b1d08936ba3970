"""What a distribution says of itself, and who may upload it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.blueprints.release.errors import MissingCredentials

# The user name that stands for an API token.
TOKEN_USER = "__token__"  # noqa: S105 - a name, not a secret


@dataclass(frozen=True)
class Package:
    """The metadata of a distribution: its name on the index, and what is shown there."""

    name: str
    description: str
    author: str
    license: str
    python_requires: str = ">=3.11"
    author_email: str = ""
    url: str = ""

    def metadata(self) -> dict[str, str]:
        """As ``[metadata]`` of setup.cfg has it; what is empty is left out."""
        names = ("name", "description", "author", "license", "author_email", "url")
        return {name: text for name in names if (text := getattr(self, name))}


# The same as in setup.cfg, which pip reads; a test compares them.
DEFAULT_PACKAGE = Package(
    name="arthexis-constellation",
    description=(
        "Charging-station management for OCPP 1.6J: chargers, drivers, energy credit and what surrounds them"
    ),
    author="Arthexis",
    license="MIT",
)


@dataclass(frozen=True)
class Credentials:
    """An API token, or a user name with a password; the token wins."""

    token: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Credentials:
        """What PYPI_API_TOKEN, PYPI_USERNAME and PYPI_PASSWORD say."""
        return cls(settings["PYPI_API_TOKEN"], settings["PYPI_USERNAME"], settings["PYPI_PASSWORD"])

    def login(self) -> tuple[str, str]:
        """User name and password, as an upload sends them. Raises ``MissingCredentials``."""
        if self.token:
            return TOKEN_USER, self.token
        if self.username and self.password:
            return self.username, self.password
        raise MissingCredentials
