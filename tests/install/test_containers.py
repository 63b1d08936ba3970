"""``Dockerfile`` and ``compose.yaml``: what the linters say, and that they name what this project has."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import yaml

from app.config import ROOT, Config

DOCKERFILE = (ROOT / "Dockerfile").read_text()
PARTS = ["prepare", "web", "worker", "beat"]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """What the file says, with its anchors filled in."""
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


def linted(program: str, *arguments: str) -> str:
    """What a linter of our environment objects to."""
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr or f"status {done.returncode}"


def test_the_linters_are_content():
    assert linted("hadolint", "Dockerfile") == ""
    assert linted("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml") == ""


def test_the_image_holds_what_the_site_needs_and_no_secrets():
    copied = set(re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE, re.MULTILINE))
    names = {name for line in copied for name in line.split()}
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line.startswith("!")}

    assert (ROOT / ".dockerignore").read_text().startswith("*\n")
    assert names == let_in
    assert names >= {"app", "migrations", "worker", "wsgi.py", "requirements.txt"}
    assert all((ROOT / name).exists() for name in names)


def test_nothing_in_the_image_runs_as_root():
    assert re.search(r"^USER 10001:10001$", DOCKERFILE, re.MULTILINE)
    assert DOCKERFILE.index("USER 10001") < DOCKERFILE.index("ENTRYPOINT")


def test_each_part_of_the_site_is_a_service_that_may_write_to_its_volume_alone(compose):
    for part in PARTS:
        service = compose["services"][part]
        assert service["command"] == part
        assert (service["image"], service["build"]) == ("constellation", ".")
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["volumes"] == ["data:/data"]
        assert service["restart"] in ("unless-stopped", "on-failure")


def test_web_worker_and_beat_wait_for_the_database_to_be_prepared(compose):
    for part in ("web", "worker", "beat"):
        assert compose["services"][part]["depends_on"]["prepare"] == {
            "condition": "service_completed_successfully"
        }
    for other in ("postgres", "redis"):
        assert compose["services"]["prepare"]["depends_on"][other] == {"condition": "service_healthy"}
        assert "healthcheck" in compose["services"][other]


def test_every_setting_that_is_given_exists(compose):
    known = get_type_hints(Config)

    for part in PARTS:
        assert set(compose["services"][part]["environment"]) <= set(known)
    given = re.findall(r"^(?:ENV|   ) ([A-Z_]+)=", DOCKERFILE, re.MULTILINE)
    assert {"HOST", "PORT", "INSTANCE_PATH", "LOG_DIR"} <= set(given)


def test_every_image_and_volume_is_named(compose):
    for service in compose["services"].values():
        assert re.fullmatch(r"constellation|[a-z]+:\d+(-[a-z]+)?", service["image"]), service
        for volume in service.get("volumes", []):
            assert volume.partition(":")[0] in compose["volumes"]
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) == ["python:3.13-slim-trixie"] * 2


def test_no_password_is_built_in(compose):
    """Without one of the owner's own nothing starts, and nothing but web listens outside."""
    for name in [*PARTS, "postgres"]:
        assert compose["services"][name]["environment"]["POSTGRES_PASSWORD"].startswith(
            "${POSTGRES_PASSWORD:?"
        )
    assert [name for name, service in compose["services"].items() if "ports" in service] == ["web"]
    assert compose["services"]["web"]["ports"][0].startswith("${LISTEN:-127.0.0.1}:")
