"""A server under the load of many chargers whose drivers have accounts, and the books that are kept of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from app.blueprints.accounts.models import Credit
from scripts.benchmark.load import Load
from scripts.benchmark.rows import check_rows
from tests import databases
from tests.ocpp.proxy import Proxy, proxied
from tests.ocpp.rules import Site, connect
from tests.servers import DATABASE, RunningServer, flask

CREDIT_KWH = 10**7


class Place:
    """A server, not started yet, on a database of its own. ``proxy`` stands before PostgreSQL."""

    def __init__(self, folder: Path, url: str = "", proxy: Proxy | None = None, **env: str) -> None:
        self.proxy = proxy
        self.server = RunningServer(folder, DATABASE_URL=through(url, proxy), **env)
        self.server.migrate()
        self.url = url or f"sqlite:///{self.server.instance / DATABASE}"

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Run one SELECT, past the proxy."""
        if self.url.startswith("sqlite"):
            with closing(sqlite3.connect(self.server.instance / DATABASE)) as file:
                return file.execute(sql).fetchall()
        with psycopg.connect(self.url) as connection:
            return connection.execute(sql).fetchall()

    def give_credit(self, chargers: int) -> None:
        """Every charger of a load has a driver with an account."""
        engine = connect(self.url)
        site = Site(engine)
        for number in range(chargers):
            account = site.tag(f"BENCH{number}", credit_wh=CREDIT_KWH * 1000)
            site.add(Credit(account_id=account, amount_kwh=CREDIT_KWH))
        engine.dispose()

    def check(self, load: Load, surplus: bool = True) -> None:
        """Everything acknowledged is stored, nothing else but open calls is, and every account is right."""
        for row in check_rows(self, load):  # type: ignore[arg-type]
            assert not row.missing, row
            assert not surplus or row.verdict == "OK", row
        flask("accounts", "verify", env=self.server.env)
        assert sum(row[0] for row in self.query("SELECT spent_wh FROM account")) > 0


def through(url: str, proxy: Proxy | None) -> str:
    """The same database, behind the proxy."""
    if proxy is None:
        return url
    address = databases.make_url(url).set(host="127.0.0.1", port=proxy.port, query={"sslmode": "disable"})
    return address.render_as_string(hide_password=False)


@contextmanager
def place(kind: str, folder: Path, **env: str) -> Iterator[Place]:
    """A place on ``sqlite``, or on ``postgresql`` behind a proxy."""
    with ExitStack() as stack:
        found = Place(folder, **env)
        if kind == "postgresql":
            url = stack.enter_context(databases.postgres_database(folder))
            proxy = stack.enter_context(proxied(databases.make_url(url).port or 5432))
            found = Place(folder, url, proxy, **env)
        stack.callback(found.server.stop)
        yield found
