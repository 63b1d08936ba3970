"""Passwords: argon2 hashes, checked in the same time whether or not the user exists."""

from __future__ import annotations

import string
import threading
import unicodedata
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from gevent import get_hub, monkey

from app.blueprints.accounts.common_passwords import COMMON
from app.blueprints.accounts.errors import BadPassword, CommonPassword, OwnName, ShortPassword

Result = TypeVar("Result")

# Hashing a longer text proves nothing, and costs.
LONGEST = 1024
SHORTEST = 8

# What is added to a common password to make it look like another.
ENDINGS = string.digits + string.punctuation

hasher = PasswordHasher()
# Each hash takes 64 MiB: a storm of logins must not take the machine.
_turn = threading.BoundedSemaphore(2)


def check(password: str, *, username: str, email: str = "") -> None:
    """Refuse a new password that is too long, or would soon be guessed.

    Raises ``BadPassword``, ``ShortPassword``, ``OwnName`` or ``CommonPassword``.
    """
    if len(password) > LONGEST:
        raise BadPassword(LONGEST)
    if len(password) < SHORTEST:
        raise ShortPassword(SHORTEST)
    plain = _plain(password)
    if plain in {_plain(name) for name in (username, email, email.partition("@")[0])}:
        raise OwnName
    if plain in COMMON or plain.rstrip(ENDINGS) in COMMON or _is_run(plain):
        raise CommonPassword


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


def renewed(hash: str, password: str) -> str:
    """A password that has just matched, hashed with today's parameters; empty while there is no need."""
    return hashed(password) if is_outdated(hash) else ""


def _plain(text: str) -> str:
    """A text without what people vary: case, lookalike letters."""
    return unicodedata.normalize("NFKC", text).casefold()


def _is_run(text: str) -> bool:
    """Whether each character is as far from the one before: 11111111, 87654321, abcdefgh."""
    return len({ord(later) - ord(sooner) for sooner, later in pairwise(text)}) == 1


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
