"""Passwords: argon2 hashes, checked in the same time whether or not the user exists."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from gevent import get_hub, monkey

from app.blueprints.accounts.errors import BadPassword

Result = TypeVar("Result")

# Hashing a longer text proves nothing, and costs.
LONGEST = 1024

hasher = PasswordHasher()
# Each hash takes 64 MiB: a storm of logins must not take the machine.
_turn = threading.BoundedSemaphore(2)


def hashed(password: str) -> str:
    """The hash to store. Raises ``BadPassword`` when it is too long; empty: no password logs in."""
    if len(password) > LONGEST:
        raise BadPassword(LONGEST)
    return _apart(lambda: hasher.hash(_bytes(password))) if password else ""


def matches(hash: str, password: str) -> bool:
    """Whether the password belongs to the hash; an empty hash takes as long, and never matches."""
    verdict = _apart(lambda: _verified(hash or _nobodys_hash(hasher), password[: LONGEST + 1]))
    return verdict and bool(hash) and 0 < len(password) <= LONGEST


def is_outdated(hash: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return hasher.check_needs_rehash(hash)


def _verified(hash: str, password: str) -> bool:
    try:
        return hasher.verify(hash, _bytes(password))
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobodys_hash(hasher: PasswordHasher) -> str:
    return hasher.hash("nobody")


def _bytes(password: str) -> bytes:
    """JSON can hold half a surrogate pair; UTF-8 proper cannot."""
    return password.encode("utf-8", "surrogatepass")


def _apart(work: Callable[[], Result]) -> Result:
    """Hash in a real thread under gevent: a tenth of a second would stop every charger of this process."""
    with _turn:
        if monkey.is_module_patched("threading"):
            found: Result = get_hub().threadpool.apply(work)
            return found
        return work()
