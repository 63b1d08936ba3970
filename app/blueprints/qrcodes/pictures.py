"""QR codes on pages: where the pictures lie, and ``qr_img`` for templates."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

from flask import current_app, url_for
from markupsafe import Markup

from app.blueprints.qrcodes import services
from app.blueprints.qrcodes.models import QRLink
from app.db import db, unit_of_work

# Pixels of a page that a picture takes, unless it is told otherwise.
SIZE = 180


def folder() -> Path:
    """Where this installation keeps its pictures."""
    return Path(current_app.instance_path) / "qrcodes"


def make(link: QRLink | None) -> None:
    """Have a link's picture ready before anybody asks for it."""
    if link is not None:
        services.picture(folder(), link)


def qr_img(what: QRLink | str, alt: str = "", size: int = SIZE) -> Markup:
    """The ``<img>`` of a link, or of a text whose link is made if needed. Raises ``NotForQR``."""
    image = what.image if isinstance(what, QRLink) else _image_of(what)
    return _img(url_for("qrcodes.picture", image=image), alt, size)


def qr_drawn(value: str, alt: str = "", size: int = SIZE) -> Markup:
    """The ``<img>`` of a text, the picture within it: nothing is kept, in no row and no file."""
    return _img("data:image/png;base64," + b64encode(services.drawn(value)).decode(), alt, size)


def _img(source: str, alt: str, size: int) -> Markup:
    return Markup('<img class="qr" src="{}" width="{}" height="{}" alt="{}">').format(source, size, size, alt)


def _image_of(value: str) -> str:
    # In a context of its own: a page's own session must not lose what it has read.
    with current_app.app_context():
        found = services.find(db.session(), value)
        if found is not None:
            return found.image
        with unit_of_work() as work:
            return services.find_or_make(work, [value])[value].image
