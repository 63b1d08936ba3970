"""What links are made with, from the settings."""

from __future__ import annotations

from flask import current_app

from app.blueprints.accounts.services.links import Issuer


def issuer() -> Issuer:
    """This installation."""
    config = current_app.config
    return Issuer(str(config["SECRET_KEY"]), str(config["PUBLIC_URL"]), str(config["LANGUAGE_CODE"]))


def can_mail() -> bool:
    """Whether there is a mail server; without one, letters wait in the queue."""
    return bool(current_app.config["SMTP_HOST"])
