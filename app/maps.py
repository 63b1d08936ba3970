"""Map tiles: the one thing that pages may load from elsewhere, and only the pages that show a map."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from flask import current_app, request
from werkzeug.wrappers import Response

import app

# Where a map begins that shows nothing yet: Monterrey.
CENTRE = (25.6866, -100.3161)
# MAP_TILES_URL: no tiles at all.
NONE = "none"
_URL = re.compile(r"(https?://[a-zA-Z0-9.{}:-]+)?/[^\s;,'\"<>\\]*")


def is_tiles_url(text: str) -> bool:
    """Whether this is an address of tiles: of another site or a path of this one, with {z}, {x} and {y}."""
    parts = all(part in text for part in ("{z}", "{x}", "{y}"))
    return text == NONE or (parts and _URL.fullmatch(text) is not None)


def tiles_url() -> str:
    """The address of the tiles; empty where none are shown."""
    url: str = current_app.config["MAP_TILES_URL"]
    return "" if url == NONE else url


def show_tiles(response: Response) -> Response:
    """Let this answer load the tiles. Their server is told which site asks, as OpenStreetMap wants it."""
    if origin := _origin(tiles_url()):
        policy = app.content_policy(request.path)
        response.headers["Content-Security-Policy"] = policy.replace("img-src ", f"img-src {origin} ")
        response.headers["Referrer-Policy"] = "strict-origin-when-cross-origin"
    return response


def _origin(url: str) -> str:
    """Where tiles come from, as the policy names it; empty for a path of this site."""
    parts = urlsplit(url)
    if not parts.netloc:
        return ""
    return f"{parts.scheme}://{re.sub(r'^[^.]*{[^}]*}[^.]*', '*', parts.netloc)}"
