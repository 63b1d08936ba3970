"""What letters with a link say, in the language of whoever gets them, while staff have made no template."""

from __future__ import annotations

from flask_babel import force_locale, gettext

from app.blueprints.accounts.models import User
from app.blueprints.accounts.services import links
from app.blueprints.accounts.services.links import Issuer, Kind
from app.language import LANGUAGES, locale_of
from app.mail import Letter


def invitation(issuer: Issuer, user: User, link: str) -> Letter:
    """To somebody who is to choose their first password."""
    language = _language(issuer, user)
    with force_locale(locale_of(language)):
        subject = gettext("Your login at {site}")
        body = gettext(
            "Hello {username},\n\n"
            "you have been given a login at {site}. Choose your password here:\n\n"
            "{link}\n\n"
            "The link works once, within {hours} hours. Show it to nobody.\n"
        )
    context = _context(issuer, user, link, links.INVITATION)
    return Letter(user.email, "invitation", subject, body, context, language, private=True)


def password_reset(issuer: Issuer, user: User, link: str) -> Letter:
    """To somebody who has forgotten their password, or of whom somebody else says so."""
    language = _language(issuer, user)
    with force_locale(locale_of(language)):
        subject = gettext("A new password at {site}")
        body = gettext(
            "Hello {username},\n\n"
            "somebody, probably you, asked for a new password at {site}. Choose it here:\n\n"
            "{link}\n\n"
            "The link works once, within {hours} hour. Show it to nobody. If it was not you who asked, "
            "do nothing: your password stays as it is.\n"
        )
    context = _context(issuer, user, link, links.RESET)
    return Letter(user.email, "password_reset", subject, body, context, language, private=True)


def _language(issuer: Issuer, user: User) -> str:
    return user.language if user.language in LANGUAGES else issuer.language


def _context(issuer: Issuer, user: User, link: str, kind: Kind) -> dict[str, str]:
    hours = int(kind.lifetime.total_seconds() // 3600)
    return {"username": user.username, "site": issuer.public_url, "link": link, "hours": str(hours)}
