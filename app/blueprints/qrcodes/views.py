"""The HTTP endpoints of qrcodes: the pictures."""

from __future__ import annotations

from flask import Flask, Response
from werkzeug.exceptions import NotFound

from app import access
from app.blueprints import Domain
from app.blueprints.qrcodes import pictures, services
from app.db import db

bp = Domain("qrcodes", __name__)

# A name is a hash of what the picture says: it never changes.
FOR_EVER = "public, max-age=31536000, immutable"


@bp.get("/images/<image>")
@access.allow(access.ANYONE)
def picture(image: str) -> Response:
    """A QR code as PNG. Whoever knows its name knows what it says."""
    found = None if len(image) != 68 or "\0" in image else services.find_by_image(db.session(), image)
    if found is None:
        raise NotFound
    response = Response(services.picture(pictures.folder(), found), mimetype="image/png")
    response.headers["Cache-Control"] = FOR_EVER
    return response


def init_app(app: Flask) -> None:
    """Give templates ``qr_img`` and ``qr_drawn``."""
    app.jinja_env.globals.update(qr_img=pictures.qr_img, qr_drawn=pictures.qr_drawn)
