"""``scripts/install.sh --service``: units that systemd takes, hardened, written once and removable."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests import trees
from tests.install.conftest import me, tool

PARTS = ["charging", "charging-web", "charging-worker", "charging-beat"]


def shown(tree: Path, *arguments: str, **environ: str) -> dict[str, str]:
    """Unit → its text, as ``--print`` shows them."""
    done = trees.script(tree, "scripts/install.sh", "--service", "charging", "--print", *arguments, **environ)
    assert done.returncode == 0, done.stdout
    found = re.split(r"^# --- .*/([^/]+)\.service\n", done.stdout, flags=re.MULTILINE)[1:]
    return dict(zip(found[::2], found[1::2], strict=True))


def written(folder: Path, units: dict[str, str]) -> list[str]:
    folder.mkdir()
    for name, text in units.items():
        (folder / f"{name}.service").write_text(text)
    return [str(folder / f"{name}.service") for name in units]


def test_the_units_can_be_looked_at_first(tree):
    units = shown(tree, SUDO_USER="somebody")

    assert list(units) == PARTS
    for part in ("web", "worker", "beat"):
        assert f'\nExecStart=/bin/bash "{tree}/scripts/run" {part}\n' in units[f"charging-{part}"]
        assert "\nPartOf=charging.service\n" in units[f"charging-{part}"]
    assert f'\nExecStart=/bin/bash "{tree}/scripts/run" prepare\n' in units["charging"]
    for text in units.values():
        assert "\nUser=somebody\n" in text
        assert f"\nWorkingDirectory={tree}\n" in text
        assert f'\nReadWritePaths="-{tree}/instance"\n' in text
    assert not (tree / ".venv").exists()


@pytest.mark.parametrize("name", ["a tree", "100% $HOME \"x\" 'y' \\z"])
def test_systemd_takes_the_units_of_any_folder(tmp_path, name):
    tree = trees.small(tmp_path / name)
    files = written(tmp_path / "units", shown(tree, "--user", me()))

    verified = subprocess.run(
        [tool("systemd-analyze"), "verify", "--man=no", *files], capture_output=True, text=True, check=False
    )

    assert verified.returncode == 0, verified.stderr
    assert "charging" not in verified.stderr


def test_systemd_finds_the_units_hardened(tree, tmp_path):
    files = written(tmp_path / "units", shown(tree, "--user", "games"))

    for file in files:
        looked = subprocess.run(
            [tool("systemd-analyze"), "security", "--offline=true", "--threshold=20", file],
            capture_output=True,
            text=True,
            check=False,
        )
        assert looked.returncode == 0, looked.stdout


def test_only_a_site_on_a_low_port_may_take_one(tree):
    trees.add_venv(tree)
    for name in ("app", "envs"):
        (tree / name).mkdir()
    settings = "print('80', '/srv/constellation', '/media/a stick', sep='\\n')"
    (tree / "app/preflight.py").write_text(settings)

    low = shown(tree, "--user", "games")["charging-web"]

    assert "\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n" in low
    assert '\nReadWritePaths="-/media/a stick"\n' in low


@pytest.mark.parametrize(
    "arguments",
    [
        ["--service", "../evil"],
        ["--service", ""],
        ["--service", "a b"],
        ["--service", "-x"],
        ["--service", "a" * 101],
        ["--service", "charging-web"],
        ["--service"],
        ["--service", "charging", "--user", "Ro ot"],
        ["--user", "pi"],
        ["--print"],
        ["--remove", ""],
        ["--what"],
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_sentence(tree, systemd, arguments):
    done = trees.script(tree, "scripts/install.sh", *arguments, **systemd)

    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1
    assert not (tree / ".venv").exists()


def test_the_default_is_never_root(tree, systemd):
    done = trees.script(tree, "scripts/install.sh", "--service", "charging", "--print", SUDO_USER="root")

    if me() == "root":
        assert done.returncode == 1
        assert "--user constellation" in done.stdout
    else:
        assert f"User={me()}\n" in done.stdout


def test_a_unit_of_somebody_else_is_neither_replaced_nor_removed(tree, systemd):
    other = Path(systemd["UNITS_DIR"]) / "charging-web.service"
    other.write_text("[Service]\nExecStart=/bin/true\n")

    for action in ("--service", "--remove"):
        done = trees.script(tree, "scripts/install.sh", action, "charging", **systemd)
        assert done.returncode == 1
    assert other.read_text() == "[Service]\nExecStart=/bin/true\n"
    assert not (tree / ".venv").exists()


def test_a_service_is_installed_again_without_harm_and_removed_without_loss(tree, systemd):
    trees.add_venv(tree)
    (tree / "app/translations").mkdir(parents=True)
    units = Path(systemd["UNITS_DIR"])
    command = ["scripts/install.sh", "--service", "charging", "--user", me()]

    for _ in range(2):
        done = trees.script(tree, *command, **systemd)
        assert done.returncode == 0, done.stdout
    assert sorted(file.stem for file in units.iterdir()) == sorted(PARTS)
    log = Path(systemd["SYSTEMCTL_LOG"])
    told = log.read_text()
    assert told.count("daemon-reload\nenable --quiet charging\nrestart charging\n") == 2

    assert trees.script(tree, "scripts/install.sh", "--remove", "charging", **systemd).returncode == 0
    assert list(units.iterdir()) == []
    assert "disable --quiet --now charging\n" in log.read_text()
    assert (tree / "instance").is_dir()
    again = trees.script(tree, "scripts/install.sh", "--remove", "charging", **systemd)
    assert (again.returncode, "No service charging" in again.stdout) == (1, True)


@pytest.mark.slow
def test_every_script_is_clean():
    scripts = [file for file in (trees.ROOT / "scripts").iterdir() if file.is_file()]
    bash = [str(file) for file in scripts if "bash" in file.read_text().splitlines()[0]]
    checked = subprocess.run(
        [
            tool("shellcheck"),
            "--external-sources",
            "--exclude=SC2119",
            "--source-path=SCRIPTDIR",
            *bash,
            str(trees.ROOT / ".ci/run"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stdout
