"""Settings: all documented, read from files and the environment, refused by name when they are wrong."""

from __future__ import annotations

import re
from typing import get_type_hints

import pytest

from app import config
from app.blueprints.readme.services import building
from app.config import ROOT, Config

# What the outside may rely on.
PROMISED = [
    "SECRET_KEY", "SERVER_NAME", "PUBLIC_URL", "TRUSTED_PROXIES", "TIME_ZONE", "REDIS_URL", "DATABASE_URL",
    "POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_HOST", "POSTGRES_PORT", "LANGUAGE_CODE",
    "SMTP_HOST", "SMTP_PORT", "SMTP_USERNAME", "SMTP_PASSWORD", "SMTP_TLS", "MAIL_FROM",
    "OCPP_HEARTBEAT_INTERVAL", "OCPP_AUTO_REGISTER", "OCPP_VALIDATION", "OCPP_CALL_TIMEOUT",
    "OCPP_PING_INTERVAL", "OCPP_MAX_MESSAGE_BYTES", "OCPP_REQUIRE_SUBPROTOCOL", "OCPP_REQUIRE_RFID",
    "OCPP_REQUIRE_KEY", "OCPP_MAX_CHARGERS", "OCPP_MAX_CHARGERS_PER_ADDRESS", "OCPP_ALLOWED_ORIGINS",
    "RFID_LOGIN", "PUBLIC_DASHBOARD", "NODE_TOKEN", "MESSAGE_RETENTION_DAYS", "DEV_RELOAD", "HOST", "PORT",
    "INSTANCE_PATH", "LOG_DIR", "WEB_CONCURRENCY",
]  # fmt: skip

DEFAULTS = {
    "PORT": 8000,
    "HOST": "127.0.0.1",
    "WEB_CONCURRENCY": 1,
    "TRUSTED_PROXIES": 0,
    "LANGUAGE_CODE": "en",
    "OCPP_HEARTBEAT_INTERVAL": 300,
    "OCPP_AUTO_REGISTER": True,
    "OCPP_VALIDATION": "lenient",
    "OCPP_CALL_TIMEOUT": 30,
    "OCPP_PING_INTERVAL": 30,
    "OCPP_MAX_MESSAGE_BYTES": 1048576,
    "OCPP_REQUIRE_SUBPROTOCOL": False,
    "OCPP_REQUIRE_RFID": False,
    "OCPP_REQUIRE_KEY": False,
    "OCPP_MAX_CHARGERS": 20000,
    "OCPP_ALLOWED_ORIGINS": "",
    "RFID_LOGIN": True,
    "PUBLIC_DASHBOARD": True,
    "NODE_TOKEN": "",
    "STALE_TRANSACTION_DAYS": 7,
    "SILENT_AFTER_MINUTES": 15,
    "ALERT_MAIL": "",
    "BACKUP_KEEP": 7,
    "MESSAGE_RETENTION_DAYS": 30,
    "DEV_RELOAD": False,
    "SERVER_NAME": "localhost:8000",
    "PUBLIC_URL": "http://localhost:8000",
}


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine on which nothing is set: give it files with ``machine("name.env", "TEXT")``."""
    for name in get_type_hints(Config):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "envs").mkdir()

    def file(name: str, text: str):
        (tmp_path / "envs" / name).write_text(text)
        return tmp_path

    file.root = tmp_path
    return file


def test_every_promised_setting_exists():
    assert set(PROMISED) <= set(get_type_hints(Config))


def test_the_defaults_are_the_promised_ones(machine):
    found = config.environment(machine.root)

    assert {name: found[name] for name in DEFAULTS} == DEFAULTS


@pytest.mark.parametrize("name", get_type_hints(Config))
def test_every_setting_has_its_line_in_the_readme(name):
    assert building.reasons()[name]
    assert re.search(rf"^\| `{name}` \| .* \| .+ \|$", (ROOT / "README.md").read_text(), re.MULTILINE)


def test_files_are_read_in_the_order_of_their_names(machine):
    machine("b.env", "PORT=9002\nMAIL_FROM=b@example.com")
    root = machine("a.env", "PORT=9001\nSMTP_HOST=a.example.com")

    found = config.environment(root)

    assert (found["PORT"], found["MAIL_FROM"], found["SMTP_HOST"]) == (9002, "b@example.com", "a.example.com")


def test_the_environment_wins_over_files(machine, monkeypatch):
    root = machine("a.env", "PORT=9001")
    monkeypatch.setenv("PORT", "9003")

    assert config.environment(root)["PORT"] == 9003


def test_an_empty_setting_is_an_unset_one(machine, monkeypatch):
    root = machine("a.env", "PORT=9001")
    monkeypatch.setenv("PORT", "")

    assert config.environment(root)["PORT"] == 8000


def test_other_files_in_the_folder_are_left_alone(machine):
    root = machine("notes.txt", "PORT=9001")

    assert config.environment(root)["PORT"] == 8000


@pytest.mark.parametrize(
    ("name", "text"),
    [("PORT", "eighty"), ("OCPP_CALL_TIMEOUT", "3.5"), ("OCPP_CALL_TIMEOUT", "0"), ("WEB_CONCURRENCY", "-1"),
     ("SILENT_AFTER_MINUTES", "9"), ("STALE_TRANSACTION_DAYS", "0"), ("BACKUP_KEEP", "0"),
     ("RFID_LOGIN", "perhaps"), ("OCPP_VALIDATION", "loose"), ("LANGUAGE_CODE", "tlh"),
     ("ODOO_CHECK_MINUTES", "-1"), ("ODOO_CHECK_MINUTES", "99999999999")],
)  # fmt: skip
def test_a_bad_value_names_its_setting(machine, name, text):
    with pytest.raises(ValueError, match=name):
        config.environment(machine("a.env", f"{name}={text}"))


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ("DATABASE_URL=postgres://u:p@db/x", "postgresql+psycopg://u:p@db/x"),
        ("DATABASE_URL=postgresql://u:p@db/x", "postgresql+psycopg://u:p@db/x"),
        ("DATABASE_URL=sqlite:////tmp/x.sqlite3", "sqlite:////tmp/x.sqlite3"),
        ("POSTGRES_DB=x", "postgresql+psycopg://postgres@127.0.0.1:5432/x"),
        ("POSTGRES_DB=x\nPOSTGRES_USER=u\nPOSTGRES_PASSWORD=p@:/%\nPOSTGRES_HOST=h\nPOSTGRES_PORT=1",
         "postgresql+psycopg://u:p%40%3A%2F%25@h:1/x"),
        ("INSTANCE_PATH=/somewhere", "sqlite:////somewhere/constellation.sqlite3"),
        ("DATABASE_URL=sqlite:////tmp/x.sqlite3\nPOSTGRES_DB=x", "sqlite:////tmp/x.sqlite3"),
    ],
)  # fmt: skip
def test_the_database_follows_from_the_settings(machine, settings, url):
    assert config.environment(machine("a.env", settings))["SQLALCHEMY_DATABASE_URI"] == url


def test_the_server_name_follows_the_port_and_the_public_url_the_server_name(machine):
    found = config.environment(machine("a.env", "PORT=9001"))

    assert (found["SERVER_NAME"], found["PUBLIC_URL"]) == ("localhost:9001", "http://localhost:9001")


def test_the_secret_key_is_made_once_and_is_its_owners_alone(tmp_path):
    first = config.secret_key(tmp_path)

    assert len(first) >= 32
    assert config.secret_key(tmp_path) == first
    assert (tmp_path / "secret_key").stat().st_mode & 0o077 == 0
