"""What a node must tell of itself."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.blueprints.nodes.errors import BadAddress, BadHostname, BadPort, IncompleteNode
from app.blueprints.nodes.models import DEFAULT_PORT

HOSTNAME = re.compile(r"[\w.-]{1,253}")


@dataclass(frozen=True)
class Registration:
    """Where a node is."""

    hostname: str
    address: str
    port: int

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Registration:
        """Read ``hostname``, ``address`` and ``port``.

        Raises ``IncompleteNode``, ``BadHostname``, ``BadAddress`` or ``BadPort``.
        """
        told, where = given.get("hostname"), given.get("address")
        if told in (None, "") or where in (None, ""):
            raise IncompleteNode
        return cls(hostname(told), address(where), port(given.get("port")))


def hostname(given: Any) -> str:
    """A host's name. Raises ``BadHostname``."""
    if not isinstance(given, str) or not HOSTNAME.fullmatch(name := given.strip()):
        raise BadHostname
    return name


def address(given: Any) -> str:
    """An IPv4 or IPv6 address in its shortest form. Raises ``BadAddress``."""
    try:
        found = ipaddress.ip_address(given.strip() if isinstance(given, str) else "")
    except ValueError:
        raise BadAddress from None
    if getattr(found, "scope_id", None):  # eth0 of one host is not eth0 of another
        raise BadAddress
    return str(found)


def port(given: Any) -> int:
    """A port; the usual one when none is given. Raises ``BadPort``."""
    if given in (None, ""):
        return DEFAULT_PORT
    if isinstance(given, bool) or not re.fullmatch(r"[0-9]{1,5}", str(given).strip()):
        raise BadPort
    number = int(given)
    if not 1 <= number <= 65535:
        raise BadPort
    return number
