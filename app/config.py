"""Every setting, with its default and its reason; read from the environment and ``envs/*.env``."""

from __future__ import annotations

import os
import pwd
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, get_type_hints
from zoneinfo import available_timezones

from dotenv import dotenv_values

ROOT = Path(__file__).resolve().parent.parent
# What setup.py puts into a built package, and a checkout does not have.
SHIPPED = Path(__file__).resolve().with_name("shipped")
IS_INSTALLED = SHIPPED.is_dir()
MIGRATIONS = ROOT / "app" / "migrations" if IS_INSTALLED else ROOT / "migrations"
# How people call us.
RUN = "constellation" if IS_INSTALLED else "scripts/run"
FLASK = "constellation" if IS_INSTALLED else ".venv/bin/flask"


def _home() -> Path:
    """Where an installation keeps what is its own: a checkout in itself, a package with its user."""
    if not IS_INSTALLED:
        return ROOT
    data = Path(os.environ.get("XDG_DATA_HOME", ""))
    if not data.is_absolute():
        data = Path(os.environ.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir) / ".local" / "share"
    return data / "constellation"


HOME = _home()


class Config:
    """The defaults. The comment above each name is its line in the README's table of settings."""

    # Signs sessions; generated once into the instance folder when unset.
    SECRET_KEY: str = ""
    # Address that the web process listens on; 0.0.0.0 lets chargers and phones in.
    HOST: str = "127.0.0.1"
    # Port that the web process listens on.
    PORT: int = 8000
    # Subdomains hang off this name: ocpp.<SERVER_NAME>, … Default: localhost:<PORT>.
    SERVER_NAME: str = ""
    # What QR codes, mails and the sitemap point at; never the Host header. Default: http://<SERVER_NAME>.
    PUBLIC_URL: str = ""
    # How many proxies' X-Forwarded-* headers to believe.
    TRUSTED_PROXIES: int = 0
    # Zone of days, renewals and the logs' midnight (storage is UTC). Default: the system's.
    TIME_ZONE: str = ""
    # Database file, broker files, QR images and generated secrets live here.
    INSTANCE_PATH: str = str(HOME / "instance")
    # One log file per domain, rotated at midnight.
    LOG_DIR: str = str(HOME / "logs")
    # 1 writes each log line as a JSON object.
    LOG_JSON: bool = False
    # Web processes; more than one needs REDIS_URL.
    WEB_CONCURRENCY: int = 1
    # Command bus, presence, limits and Celery broker. Unset: embedded, one process.
    REDIS_URL: str = ""
    # SQLAlchemy URL. Unset: POSTGRES_*, else SQLite in the instance folder.
    DATABASE_URL: str = ""
    # Name of a PostgreSQL database; unset means SQLite.
    POSTGRES_DB: str = ""
    # PostgreSQL user.
    POSTGRES_USER: str = "postgres"
    # PostgreSQL password.
    POSTGRES_PASSWORD: str = ""
    # PostgreSQL host.
    POSTGRES_HOST: str = "127.0.0.1"
    # PostgreSQL port.
    POSTGRES_PORT: int = 5432
    # Language when neither the visitor's choice nor the browser says: en or es.
    LANGUAGE_CODE: str = "en"
    # Mail server; unset: mails wait in the queue.
    SMTP_HOST: str = ""
    # Mail server's port; 465 is TLS from the first byte, 587 usually wants SMTP_TLS.
    SMTP_PORT: int = 25
    # Mail server's user; unset: no login.
    SMTP_USERNAME: str = ""
    # Mail server's password.
    SMTP_PASSWORD: str = ""
    # 1 starts TLS first, and sends no mail without it. The server's certificate is always verified.
    SMTP_TLS: bool = False
    # Sender of every mail: an address, or a name with one: Depot <depot@example.com>.
    MAIL_FROM: str = "constellation@localhost"
    # Seconds between Heartbeats, told to the charger at boot.
    OCPP_HEARTBEAT_INTERVAL: int = 300
    # 1: a charger that nobody knows is created when it connects.
    OCPP_AUTO_REGISTER: bool = True
    # lenient serves what can be understood; strict lets the JSON schema decide.
    OCPP_VALIDATION: str = "lenient"
    # Seconds that a command waits for the charger's answer.
    OCPP_CALL_TIMEOUT: int = 30
    # Seconds of silence after which a charger's socket is pinged.
    OCPP_PING_INTERVAL: int = 30
    # Longest OCPP message, in bytes; a longer one closes the socket (1009).
    OCPP_MAX_MESSAGE_BYTES: int = 1_048_576
    # 1 refuses a charger that does not offer the subprotocol ocpp1.6.
    OCPP_REQUIRE_SUBPROTOCOL: bool = False
    # What a newly seen charger's require_rfid starts as.
    OCPP_REQUIRE_RFID: bool = False
    # 1 refuses every charger that has no key (OCPP security profile 1).
    OCPP_REQUIRE_KEY: bool = False
    # Charger sockets per web process; the next one is answered 503.
    OCPP_MAX_CHARGERS: int = 20_000
    # Charger sockets per network address. Unset (0): no cap.
    OCPP_MAX_CHARGERS_PER_ADDRESS: int = 0
    # New charger ids that one address may create in an hour, so that strangers cannot fill the table.
    OCPP_NEW_CHARGERS_PER_HOUR: int = 10_000
    # Comma-separated origins of browsers that may open charger sockets; chargers send no Origin.
    OCPP_ALLOWED_ORIGINS: str = ""
    # 1: drivers may log in with a tag alone.
    RFID_LOGIN: bool = True
    # 0: only staff see the dashboard.
    PUBLIC_DASHBOARD: bool = True
    # Bearer token by which nodes register. Unset: no node token is accepted.
    NODE_TOKEN: str = ""
    # Map tiles, the one thing that pages load from elsewhere (only those with a map): an address with {z},
    # {x} and {y}, or a path of this site; none: maps without tiles.
    MAP_TILES_URL: str = "https://tile.openstreetmap.org/{z}/{x}/{y}.png"
    # Whom maps name as the source of their tiles.
    MAP_ATTRIBUTION: str = "© OpenStreetMap contributors"
    # Days that the message log is kept.
    MESSAGE_RETENTION_DAYS: int = 30
    # Minutes between two checks of an Odoo instance, so that a broken one is noticed; 0: only when asked for.
    ODOO_CHECK_MINUTES: int = 15
    # Days after which a transaction whose charger says nothing more is ended.
    STALE_TRANSACTION_DAYS: int = 7
    # Minutes of silence after which staff are told of a charger; 10 at least.
    SILENT_AFTER_MINUTES: int = 15
    # Comma-separated addresses that alerts are mailed to. Unset: every member of staff who has one.
    ALERT_MAIL: str = ""
    # Folder of the nightly backups; better on another disk. Default: backups in the instance folder.
    BACKUP_DIR: str = ""
    # How many nightly backups are kept.
    BACKUP_KEEP: int = 7
    # API token by which flask build_pypi uploads.
    PYPI_API_TOKEN: str = ""
    # User name by which it uploads, where there is no token.
    PYPI_USERNAME: str = ""
    # Password of that user.
    PYPI_PASSWORD: str = ""
    # Address that packages are uploaded to. Unset: twine's default.
    PYPI_REPOSITORY_URL: str = ""
    # 1 restarts the site when a file changes; from VS Code it also reinstalls, migrates, commits and pushes.
    DEV_RELOAD: bool = False


LEAST = {
    "OCPP_HEARTBEAT_INTERVAL": 1,
    "OCPP_CALL_TIMEOUT": 1,
    "OCPP_PING_INTERVAL": 1,
    "WEB_CONCURRENCY": 1,
    "STALE_TRANSACTION_DAYS": 1,
    # A charger that only answers pings is noted every seven minutes.
    "SILENT_AFTER_MINUTES": 10,
    "BACKUP_KEEP": 1,
}


def environment(root: Path = HOME) -> dict[str, Any]:
    """The settings in force: defaults, then ``envs/*.env`` in name order, then the process environment.

    Raises ``ValueError``, naming the setting, when a number or a switch cannot be read.
    """
    return settings(given(root))


def settings(given: Mapping[str, str]) -> dict[str, Any]:
    """Read each known setting from text, check it, and fill in what follows from it."""
    found = parsed(given)
    _check(found)
    return complete(found)


def given(root: Path = HOME) -> dict[str, str]:
    """What files and the process environment say, known settings or not."""
    found: dict[str, str | None] = {}
    for file in sorted((root / "envs").glob("*.env")):
        found.update(dotenv_values(file))
    found.update(os.environ)
    return {name: text for name, text in found.items() if text is not None}


def parsed(given: Mapping[str, str]) -> dict[str, Any]:
    """Each known setting by the type of its default. Imports nothing: gunicorn's settings ask here."""
    return {
        name: _parse(name, given[name], kind) if given.get(name, "") != "" else getattr(Config, name)
        for name, kind in get_type_hints(Config).items()
    }


def complete(found: dict[str, Any]) -> dict[str, Any]:
    """Fill in what follows from other settings: names, URLs, the database."""
    found["SERVER_NAME"] = found["SERVER_NAME"] or f"localhost:{found['PORT']}"
    found["PUBLIC_URL"] = (found["PUBLIC_URL"] or f"http://{found['SERVER_NAME']}").rstrip("/")
    found["BACKUP_DIR"] = found["BACKUP_DIR"] or str(Path(found["INSTANCE_PATH"]) / "backups")
    found["SQLALCHEMY_DATABASE_URI"] = _database_url(found)
    return found


def secret_key(instance: Path) -> str:
    """The key of this installation, made on first use and readable by its owner alone."""
    file = instance / "secret_key"
    if not file.exists():
        draft = instance / f"secret_key.{os.getpid()}"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            out.write(secrets.token_hex(32))
        with suppress(FileExistsError):  # another process was first; nobody ever sees half a key
            os.link(draft, file)
        draft.unlink()
    return file.read_text().strip()


def _parse(name: str, text: str, kind: type) -> Any:
    if kind is bool:
        if text.strip().lower() in ("1", "true", "yes", "on"):
            return True
        if text.strip().lower() in ("0", "false", "no", "off"):
            return False
        raise ValueError(f"{name} must be 1 or 0, not {text!r}")
    if kind is int:
        try:
            return int(text)
        except ValueError:
            raise ValueError(f"{name} must be a whole number, not {text!r}") from None
    return text


def _check(found: Mapping[str, Any]) -> None:
    if found["OCPP_VALIDATION"] not in ("lenient", "strict"):
        raise ValueError(f"OCPP_VALIDATION must be lenient or strict, not {found['OCPP_VALIDATION']!r}")
    if found["LANGUAGE_CODE"] not in ("en", "es"):
        raise ValueError(f"LANGUAGE_CODE must be en or es, not {found['LANGUAGE_CODE']!r}")
    if found["MAIL_FROM"] != Config.MAIL_FROM and not _is_sender(found["MAIL_FROM"]):
        raise ValueError(
            f"MAIL_FROM must be one address such as depot@example.com, not {found['MAIL_FROM']!r}"
        )
    if not 0 < found["SMTP_PORT"] < 65536:
        raise ValueError(f"SMTP_PORT must lie between 1 and 65535, not {found['SMTP_PORT']}")
    if found["TIME_ZONE"] and found["TIME_ZONE"] not in available_timezones():
        raise ValueError(f"TIME_ZONE must be a zone such as America/Monterrey, not {found['TIME_ZONE']!r}")
    if not _is_tiles_url(found["MAP_TILES_URL"]):
        told = f"not {found['MAP_TILES_URL']!r}"
        raise ValueError(f"MAP_TILES_URL must be none, or an address with {{z}}, {{x}} and {{y}}, {told}")
    for name, least in LEAST.items():
        if found[name] < least:
            raise ValueError(f"{name} must be at least {least}, not {found[name]}")
    if not 0 <= found["ODOO_CHECK_MINUTES"] <= 525_600:
        raise ValueError(f"ODOO_CHECK_MINUTES must be from 0 to 525600, not {found['ODOO_CHECK_MINUTES']}")


def _is_sender(text: str) -> bool:
    from app import mail

    return mail.is_sender(text)


def _is_tiles_url(text: str) -> bool:
    from app import maps

    return maps.is_tiles_url(text)


def _database_url(found: Mapping[str, Any]) -> str:
    if found["DATABASE_URL"]:
        scheme, _, rest = found["DATABASE_URL"].partition("://")
        return (
            f"postgresql+psycopg://{rest}" if scheme in ("postgres", "postgresql") else found["DATABASE_URL"]
        )
    if found["POSTGRES_DB"]:
        from sqlalchemy import URL

        return URL.create(
            "postgresql+psycopg",
            username=found["POSTGRES_USER"],
            password=found["POSTGRES_PASSWORD"] or None,
            host=found["POSTGRES_HOST"],
            port=found["POSTGRES_PORT"],
            database=found["POSTGRES_DB"],
        ).render_as_string(hide_password=False)
    return f"sqlite:///{Path(found['INSTANCE_PATH']).resolve() / 'constellation.sqlite3'}"
