"""Where a server is, and where it may send us on to."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from urllib.parse import quote, urljoin, urlsplit

from app.blueprints.odoo.errors import BadUrl, Trouble, UrlWithLogin

PORTS = {"http": 80, "https": 443}
# Where Odoo tells its version and whether a password is right.
COMMON = "/xmlrpc/2/common"
# Names, IPv4 and IPv6 addresses, in ASCII.
HOST = re.compile(r"[a-z0-9_.-]{1,253}|[0-9a-f:.]{2,45}")
# What may stand in a path or a query as it is, and what nowhere.
SAFE = "/%:@!$&'()*+,;=~-._?"
JUNK = re.compile(r"[\s\\\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Address:
    """Where a request goes to."""

    scheme: str
    host: str
    port: int
    # With its query, if there is one.
    path: str

    @classmethod
    def of_server(cls, url: str) -> Address:
        """The server that staff have entered. Raises ``BadUrl`` or ``UrlWithLogin``."""
        try:
            found, has_login = cls._parse(url), "@" in urlsplit(url).netloc
        except ValueError:
            raise BadUrl from None
        if has_login:
            raise UrlWithLogin
        if "?" in url or "#" in url:
            raise BadUrl
        return replace(found, path=found.path.rstrip("/"))

    @classmethod
    def _parse(cls, url: str) -> Address:
        """Read an absolute address. Raises ``ValueError``."""
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode()
        if parts.scheme not in PORTS or parts.port == 0 or not HOST.fullmatch(host) or JUNK.search(url):
            raise ValueError
        path = quote(parts.path, safe=SAFE) + (f"?{quote(parts.query, safe=SAFE)}" if parts.query else "")
        return cls(parts.scheme, host, parts.port or PORTS[parts.scheme], path)

    @property
    def is_secure(self) -> bool:
        """Whether TLS is spoken."""
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        """Host and port, as the Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Who gets what is sent to this address."""
        return f"{self.scheme}://{self.authority}"

    def common(self) -> Address:
        """Odoo's address for what needs no login, at this server."""
        return replace(self, path=self.path + COMMON)

    def moved(self, location: str) -> Address:
        """Where the server sends us on to: the same host, and never from TLS to none. Raises ``Trouble``."""
        try:
            new = self._parse(urljoin(self.origin + self.path, location))
        except ValueError:
            raise Trouble("nonsense") from None
        same_port = new.port == self.port and new.scheme == self.scheme
        if new.host == self.host and (same_port or (new.is_secure and not self.is_secure)):
            return new
        if new.host == self.host and self.is_secure and not new.is_secure:
            raise Trouble("moved_unsafely")
        raise Trouble("moved_away", new.origin)
