"""The example of a settings file: what it offers exists, and is taken as it stands."""

from __future__ import annotations

import re
from typing import get_type_hints

from app import config
from app.config import ROOT, Config

EXAMPLE = (ROOT / "envs/site.env.example").read_text()


def test_the_example_changes_nothing_until_something_is_chosen(tmp_path, monkeypatch):
    for name in get_type_hints(Config):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "envs").mkdir()
    untouched = config.environment(tmp_path)

    (tmp_path / "envs/site.env").write_text(EXAMPLE)

    assert config.environment(tmp_path) == untouched


def test_everything_that_the_example_offers_can_be_chosen(tmp_path, monkeypatch):
    for name in get_type_hints(Config):
        monkeypatch.delenv(name, raising=False)
    chosen = dict(re.findall(r"^#([A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE))
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs/site.env").write_text(re.sub(r"^#([A-Z_]+=)", r"\1", EXAMPLE, flags=re.MULTILINE))

    found = config.environment(tmp_path)

    assert len(chosen) > 10
    assert set(chosen) <= set(get_type_hints(Config))
    assert (found["HOST"], found["TRUSTED_PROXIES"], found["SMTP_TLS"]) == ("0.0.0.0", 1, True)
    assert found["PUBLIC_URL"] == "https://charge.example.com"
    assert found["MAIL_FROM"] == "Depot <depot@example.com>"
