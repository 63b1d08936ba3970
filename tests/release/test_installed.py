"""The package of this project: what is in it, and that it serves where there is no checkout."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
import urllib.request
import venv
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from websockets.sync.client import connect

from app import version
from app.blueprints.release import DEFAULT_PACKAGE, contents, distribution
from app.blueprints.release.tree import Tree
from app.config import ROOT
from tests.servers import free_port

pytestmark = pytest.mark.slow
START_S = 60.0


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from this checkout as it is now."""
    if not (ROOT / ".git").exists():
        pytest.skip("releases are made from a git checkout")
    target = tmp_path_factory.mktemp("dist")
    files = distribution.make(Tree(ROOT), DEFAULT_PACKAGE, version.__version__, target, changed=False)
    assert [file.suffix for file in files] == [".whl", ".gz"]
    return files[0]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``constellation`` command, in a fresh environment that borrows this one's libraries."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    site = folder / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", str(folder)]
    subprocess.run([*pip, "install", "--no-deps", "--no-index", str(wheel)], check=True)
    return folder / "bin" / "constellation"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A user who has nothing but an empty home."""
    (tmp_path / "home").mkdir()
    (tmp_path / "elsewhere").mkdir()
    return {"HOME": str(tmp_path / "home"), "PATH": os.environ["PATH"], "PORT": str(free_port())}


def run(command: Path, *arguments: str, environ: dict[str, str]) -> str:
    done = subprocess.run(
        [command, *arguments],
        env=environ, cwd=Path(environ["HOME"]).parent / "elsewhere", capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def wait_for(question: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + START_S
    while not question():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@contextmanager
def serving(command: Path, environ: dict[str, str]) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """The command alone, until it says that it is ready."""
    folder = Path(environ["HOME"]).parent
    output = folder / "output.txt"
    with output.open("wb") as out:
        process = subprocess.Popen(
            [command], env=environ, cwd=folder / "elsewhere", stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        wait_for(lambda: "is ready." in output.read_text() or process.poll() is not None, "it is ready")
        assert process.poll() is None, output.read_text()
        yield process, output
    finally:
        # Its children have sessions of their own, and end when they are orphaned.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def fetch(environ: dict[str, str], path: str, **headers: str) -> str:
    request = urllib.request.Request(f"http://127.0.0.1:{environ['PORT']}{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        text: str = answer.read().decode()
    return text


def is_served(environ: dict[str, str]) -> bool:
    try:
        return bool(fetch(environ, "/healthz"))
    except OSError:
        return False


def test_the_wheel_holds_what_the_staff_page_says(wheel: Path) -> None:
    inside = {
        name
        for name in zipfile.ZipFile(wheel).namelist()
        if not name.startswith(f"{wheel.name[:28]}.dist-info/")
    }

    assert inside == {part.path for part in contents.planned(ROOT)}
    commit = zipfile.ZipFile(wheel).read("app/shipped/COMMIT").decode().strip()
    assert commit == Tree(ROOT).commit()


def test_it_serves_a_site_and_chargers_from_an_empty_home(installed: Path, environ: dict[str, str]) -> None:
    home = Path(environ["HOME"])
    data = home / ".local" / "share" / "constellation"
    with serving(installed, environ) as (process, output):
        front = fetch(environ, "/")
        assert "<h1" in front
        assert f"{version.__version__} <span" in front
        assert "Cargadores" in fetch(environ, "/ocpp/", **{"Accept-Language": "es"})
        assert fetch(environ, "/static/css/site.css")
        assert "Wire" in fetch(environ, "/readme/of/awg/")
        url = f"ws://127.0.0.1:{environ['PORT']}/any/path/CP-1/"
        with connect(url, subprotocols=["ocpp1.6"]) as charger:
            boot = {"chargePointVendor": "Acme", "chargePointModel": "One"}
            charger.send(json.dumps([2, "1", "BootNotification", boot]))
            kind, _, answer = json.loads(charger.recv(timeout=20))
        assert (kind, answer["status"]) == (3, "Accepted")
        assert "CP-1" in fetch(environ, "/ocpp/")
        assert "maria" in run(
            installed, "users", "create", "maria", "--password", "correct horse", environ=environ
        )

        wait_for(lambda: list((data / "logs").glob("*.log")), "the worker is ready, and says so")
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0

    said = output.read_text()
    assert "constellation simulate" in said
    assert "Traceback" not in said
    assert (data / "instance" / "constellation.sqlite3").is_file()
    assert list((home.parent / "elsewhere").iterdir()) == []


def test_its_folders_may_be_elsewhere_and_relative(installed: Path, environ: dict[str, str]) -> None:
    with serving(installed, environ | {"INSTANCE_PATH": "data", "LOG_DIR": "data/logs"}) as (process, _):
        assert fetch(environ, "/healthz")
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0

    here = Path(environ["HOME"]).parent / "elsewhere"
    assert (here / "data" / "constellation.sqlite3").is_file()
    assert list(Path(environ["HOME"]).iterdir()) == []


def test_its_parts_run_by_themselves(installed: Path, environ: dict[str, str]) -> None:
    assert "first-run-secrets.txt" in run(installed, "prepare", environ=environ)
    web = subprocess.Popen([installed, "web"], env=environ, cwd="/")
    try:
        wait_for(lambda: is_served(environ), "web serves")
    finally:
        web.terminate()
        assert web.wait(40) == 0


def test_it_says_its_version_and_that_releases_need_a_checkout(
    installed: Path, environ: dict[str, str]
) -> None:
    told = run(installed, "--version", environ=environ)
    assert (
        told.strip() == f"Arthexis Constellation, version {version.__version__} ({Tree(ROOT).commit()[:9]})"
    )
    refused = subprocess.run(
        [installed, "build_pypi", "--dist"], env=environ, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1
    assert "no git checkout" in refused.stderr
