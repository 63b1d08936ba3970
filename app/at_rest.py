"""Secrets that must be read again, encrypted in the database under the installation's SECRET_KEY."""

from __future__ import annotations

import base64
import logging
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import current_app
from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator

log = logging.getLogger(__name__)


class EncryptedText(TypeDecorator[str]):
    """Text that the database holds encrypted. Reads as None when it was encrypted under another key."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Encrypt; an empty text is none, and stays empty."""
        return _cipher().encrypt(value.encode()).decode() if value else value

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Decrypt."""
        if not value:
            return value
        try:
            return _cipher().decrypt(value.encode()).decode()
        except InvalidToken:
            log.error("a secret in the database was encrypted under another SECRET_KEY")
            return None


def _cipher() -> Fernet:
    return _cipher_of(str(current_app.config["SECRET_KEY"]))


@lru_cache(maxsize=8)
def _cipher_of(secret_key: str) -> Fernet:
    key = HKDF(SHA256(), 32, salt=None, info=b"constellation at rest").derive(secret_key.encode())
    return Fernet(base64.urlsafe_b64encode(key))
