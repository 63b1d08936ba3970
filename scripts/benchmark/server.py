"""This project's own server, as an operator starts it, on an empty instance."""

import http.client
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

from app.config import Config
from scripts.benchmark.processes import ROOT, Server, StartFailed


class Ours(Server):
    """Web processes under gunicorn; the worker takes no part in what is measured."""

    name = "ours"

    def __init__(
        self, instance: Path, database_url: str | None = None, processes: int = 1, **settings: str
    ) -> None:
        gunicorn = [sys.executable, "-m", "gunicorn", "-c", "python:app.gunicorn_settings", "wsgi:app"]
        super().__init__(gunicorn, instance / "server.log")
        self.environment = _environment(instance, self.port, database_url, processes) | settings
        self._migrated = False

    def start(self) -> None:
        """Migrate, once, and serve. Raises StartFailed."""
        if not self._migrated:
            self._migrate()
            self._migrated = True
        super().start()

    def ready(self) -> bool:
        """Tell whether ``/healthz`` answers 200."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _migrate(self) -> None:
        flask = [sys.executable, "-m", "flask", "--app", "wsgi", "db", "upgrade"]
        with self.log.open("ab") as log:
            done = subprocess.run(flask, cwd=ROOT, env=self.environment, stdout=log, stderr=log, check=False)
        if done.returncode:
            raise StartFailed(f"flask db upgrade failed:\n{self.tail()}")


def _environment(instance: Path, port: int, database_url: str | None, processes: int) -> dict[str, str]:
    """Return the settings of a server on this port and this empty instance folder.

    All others are emptied, which means their defaults: what an operator has set for
    the real installation, in the environment or in ``envs/``, is not to be measured.
    """
    defaults = dict.fromkeys(get_type_hints(Config), "")
    ours = {
        "INSTANCE_PATH": str(instance),
        "LOG_DIR": str(instance / "logs"),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "SECRET_KEY": secrets.token_hex(16),
        "OCPP_MAX_CHARGERS": "20000",
        "WEB_CONCURRENCY": str(processes),
    }
    if database_url:
        ours["DATABASE_URL"] = database_url
    if processes > 1:
        ours["REDIS_URL"] = os.environ.get("REDIS_URL", "")
    return {**os.environ, "GUNICORN_CMD_ARGS": "", **defaults, **ours}
