"""QR links and their pictures: made when they are needed, and used again."""

from __future__ import annotations

import io
import logging
import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import qrcode
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from app.blueprints.qrcodes.models import QRLink, image_name
from app.clock import utcnow
from app.db import UnitOfWork

log = logging.getLogger(__name__)

# Pixels of a module, and modules of the white frame that scanners need (ISO 18004, 5.3.8).
PIXELS, QUIET = 8, 4
INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
PNG = b"\x89PNG"


def find(work: UnitOfWork, value: str) -> QRLink | None:
    """The link with this text. Raises ``NotForQR``."""
    return find_by_image(work, image_name(value))


def find_by_image(work: UnitOfWork, image: str) -> QRLink | None:
    """The link whose picture has this name."""
    return work.scalar(select(QRLink).where(QRLink.image == image))


def find_or_make(work: UnitOfWork, values: Iterable[str]) -> dict[str, QRLink]:
    """Value → its link; those that are missing are made. Raises ``NotForQR``.

    In one statement: two who need the same link at the same moment get the same row.
    """
    images = {image_name(value): value for value in values}
    if not images:
        return {}
    chosen = select(QRLink).where(QRLink.image.in_(images))
    found = {link.value: link for link in work.scalars(chosen)}
    missing = [
        {"value": value, "image": image, "created_on": utcnow()}
        for image, value in images.items()
        if value not in found
    ]
    if missing:
        insert = INSERTS[work.get_bind().dialect.name]
        work.execute(insert(QRLink).on_conflict_do_nothing(), missing)
        found = {link.value: link for link in work.scalars(chosen)}
    return found


def picture(folder: Path, link: QRLink) -> bytes:
    """A link's picture as PNG: from its file, which is made anew when it is lost or cut off."""
    file = folder / link.image
    kept = read(file)
    if kept is None:
        kept = drawn(link.value)
        _keep(file, kept)
    return kept


def read(file: Path) -> bytes | None:
    """A picture that is kept; None when there is none, or not all of it."""
    try:
        found = file.read_bytes()
    except OSError:
        return None
    return found if found.startswith(PNG) and found.endswith(b"IEND\xaeB`\x82") else None


def drawn(value: str) -> bytes:
    """The picture of a text. Level M: a scratch on the label does no harm."""
    code = qrcode.QRCode(error_correction=qrcode.constants.ERROR_CORRECT_M, box_size=PIXELS, border=QUIET)
    code.add_data(value.encode())
    code.make(fit=True)
    out = io.BytesIO()
    code.make_image().save(out, format="PNG")
    return out.getvalue()


def forget(folder: Path, link: QRLink) -> None:
    """Remove the picture of a link that is gone."""
    (folder / link.image).unlink(missing_ok=True)


def _keep(file: Path, image: bytes) -> None:
    """Write a file that is never seen half. Where the disk takes nothing, the picture is drawn again."""
    draft = file.with_name(f"{file.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(image)
        draft.replace(file)
    except OSError as error:
        log.warning("a QR code is not kept: %s", error)
        with suppress(OSError):
            draft.unlink()
