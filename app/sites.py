"""Host → domain label (subdomains, ``Site`` rows), and the URL adapter that follows from it.

A labelled host tries its own rules first and then every path mount; an unlabelled one gets the path mounts.
Links and redirects are built from the path mounts and stay on the host that the visitor used.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from flask import Flask, current_app, g, has_app_context, has_request_context, request
from flask.wrappers import Request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import Map, MapAdapter, RequestRedirect
from werkzeug.routing.exceptions import WebsocketMismatch

# Another process may have edited a Site row: look again after this many seconds.
REFRESH_S = 5.0
# What a path may hold as it stands (RFC 3986, 3.3).
PATH_CHARACTERS = "/!$&'()*+,;=:@~"


class SiteAdapter(MapAdapter):
    """Matches on a label's rules, then on the path mounts; builds for the visited host only."""

    label = ""

    def get_host(self, domain_part: str | None) -> str:
        """Every URL stays on the host that the visitor used."""
        return self.server_name

    def make_redirect_url(
        self, path_info: str, query_args: Any = None, domain_part: str | None = None
    ) -> str:
        """Redirects name no host at all: the browser stays where it is, whatever it was sent to by."""
        path = f"{self.script_name.strip('/')}/{path_info.lstrip('/')}".lstrip("/")
        query = self.encode_query_args((self.query_args if query_args is None else query_args) or "")
        return f"/{quote(path, safe=PATH_CHARACTERS)}" + (f"?{query}" if query else "")

    def match(self, *args: Any, **kwargs: Any) -> Any:
        """The label's own rule, else the path mount's."""
        if self.label:
            try:
                return self._labelled().match(*args, **kwargs)
            except NotFound:
                pass
        try:
            return super().match(*args, **kwargs)
        except WebsocketMismatch:  # the chargers' catch-all matches every path
            raise NotFound from None
        except MethodNotAllowed as error:
            if methods := [method for method in error.valid_methods or () if self._serves(method)]:
                raise MethodNotAllowed(methods) from None
            raise NotFound from None

    def _serves(self, method: str) -> bool:
        """Whether this method would do: the chargers' catch-all says GET of every path."""
        try:
            super().match(method=method)
        except RequestRedirect:
            return True
        except HTTPException:
            return False
        return True

    def allowed_methods(self, path_info: str | None = None) -> Any:
        """For a 405's Allow header."""
        if self.label and (found := self._labelled().allowed_methods(path_info)):
            return found
        return super().allowed_methods(path_info)

    def _labelled(self) -> SiteAdapter:
        return SiteAdapter(
            self.map, self.server_name, self.script_name, self.label, self.url_scheme,
            self.path_info, self.default_method, self.query_args,
        )  # fmt: skip


class SiteMap:
    """The label of each host, from subdomains and the cached ``Site`` table."""

    def __init__(
        self, server_name: str, labels: frozenset[str], load: Callable[[], Mapping[str, str] | None]
    ) -> None:
        self._suffix = "." + _name(server_name)
        self._labels = labels
        self._load = load
        self._rows: Mapping[str, str] = {}
        self._read_at = float("-inf")
        self._lock = threading.Lock()

    def label(self, host: str) -> str:
        """The domain label that serves ``host`` (with or without port), or ``""``."""
        name = _name(host)
        mapped = self._sites().get(name, "")
        if not mapped and name.endswith(self._suffix):
            mapped = name.removesuffix(self._suffix)
        return mapped if mapped in self._labels else ""

    def forget(self) -> None:
        """Read the table again at the next request: a row has changed."""
        self._read_at = float("-inf")

    def _sites(self) -> Mapping[str, str]:
        if time.monotonic() - self._read_at > REFRESH_S and self._lock.acquire(blocking=False):
            try:
                self._read_at = time.monotonic()  # first: a change during the load asks for another
                found = self._load()
                self._rows = self._rows if found is None else found  # the last known, while nobody can tell
            finally:
                self._lock.release()
        return self._rows


def _name(host: str) -> str:
    """A host without port and final dot, in lower case."""
    if host.startswith("["):
        return host[: host.find("]") + 1].lower()
    return (host.rsplit(":", 1)[0] if host.count(":") == 1 else host).lower().removesuffix(".")


def label() -> str:
    """The domain label of the host of this request."""
    return str(g.get("site_label", "")) if has_request_context() else ""


def site_map() -> SiteMap:
    """This application's map."""
    found: SiteMap = current_app.extensions["site_map"]
    return found


def forget() -> None:
    """Tell this application's map that a row has changed."""
    if has_app_context() and "site_map" in current_app.extensions:
        site_map().forget()


def here() -> str:
    """The address of this request on the visited host, as a link to it is written: ids may hold anything."""
    query = request.query_string.decode("latin-1")
    return quote(f"{request.root_path}{request.path}", safe=PATH_CHARACTERS) + (f"?{query}" if query else "")


def local(target: str | None) -> str:
    """``target`` when it is an address on the visited host, else the first page.

    ``//evil``, ``/\\evil`` and control characters are how a browser is sent elsewhere.
    """
    here = f"{request.root_path}/"
    if not target or not re.match(r"/(?![/\\])[^\x00-\x20\x7f\\]*\Z", target):
        return here
    return target


class Constellation(Flask):
    """Flask with the site map: one blueprint per domain, by subdomain and by path."""

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Bind the visited host; a WebSocket upgrade ignores labels."""
        if request is None:
            return super().create_url_adapter(None)
        upgrade = request.headers.get("Upgrade", "").lower() == "websocket"
        return bind(self.url_map, request, "" if upgrade else self._label(request), upgrade)

    def _label(self, request: Request) -> str:
        found: SiteMap | None = self.extensions.get("site_map")
        if found is None:
            return ""
        with self.app_context():
            return found.label(request.host)


def bind(url_map: Map, request: Request, site_label: str, upgrade: bool) -> SiteAdapter:
    """The adapter for one request."""
    environ = request.environ
    secure = environ["wsgi.url_scheme"] == "https"
    scheme = ("wss" if secure else "ws") if upgrade else environ["wsgi.url_scheme"]
    adapter = SiteAdapter(
        url_map, request.host, request.root_path or "/", "", scheme, request.path,
        environ["REQUEST_METHOD"], request.query_string.decode("latin-1"),
    )  # fmt: skip
    adapter.label = site_label
    return adapter


def remember_label(app: Flask) -> None:
    """Make the label of the request's host known to views and logs."""

    @app.before_request
    def _remember() -> None:
        found = app.extensions.get("site_map")
        g.site_label = found.label(request.host) if found else ""
