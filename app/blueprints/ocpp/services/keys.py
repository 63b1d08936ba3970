"""Chargers' keys (security profile 1): stored as a fast salted hash, because thousands reconnect at once."""

from __future__ import annotations

import hashlib
import hmac
import secrets


def hashed(key: str | bytes) -> str:
    """The stored form of a key: ``blake2b$salt$digest``. Keys have 16 or more random characters."""
    salt = secrets.token_hex(16)
    return f"blake2b${salt}${_digest(key, salt)}"


def matches(key: bytes, stored: str) -> bool:
    """Whether a key is the stored one, in constant time."""
    kind, _, rest = stored.partition("$")
    salt, _, digest = rest.partition("$")
    return kind == "blake2b" and hmac.compare_digest(_digest(key, salt), digest)


def _digest(key: str | bytes, salt: str) -> str:
    data = key.encode() if isinstance(key, str) else key
    return hashlib.blake2b(data, key=salt.encode(), digest_size=32).hexdigest()
