"""The commands of ``scripts/`` and the processes behind them, run for real in folders of their own."""

from __future__ import annotations

import os
import pty
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from app import announcement, config
from tests import trees

ROOT = Path(__file__).resolve().parent.parent
Run = Callable[..., subprocess.Popen[str]]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def eventually(question: Callable[[], object], within_s: float = 20.0) -> bool:
    deadline = time.monotonic() + within_s
    while not question():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def descendants(pid: int) -> list[int]:
    found = []
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, thread.read_text().split()):
            found += [child, *descendants(child)]
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Start a program whose output goes to a file; kill it, and all that it started, when the test ends."""
    started: list[subprocess.Popen[str]] = []

    def start(
        command: list[str], environ: Mapping[str, str] = {}, **options: object
    ) -> subprocess.Popen[str]:
        output = (tmp_path / f"output-{len(started)}.txt").open("w")
        options = {"stdout": output, "stderr": subprocess.STDOUT, "cwd": ROOT, **options}
        environ = {**os.environ, **environ}
        process = subprocess.Popen(  # type: ignore[call-overload]
            command, env=environ, stdin=subprocess.DEVNULL, text=True, start_new_session=True, **options
        )
        process.output = Path(output.name)
        started.append(process)
        return process  # type: ignore[no-any-return]

    yield start
    for process in started:
        for pid in [*descendants(process.pid), process.pid] if process.poll() is None else []:
            os.kill(pid, signal.SIGKILL)
        process.wait()


# --- app.supervisor


def supervised(child: str, grace_s: float = 25.0) -> list[str]:
    program = f"""
        import os, sys
        from pathlib import Path
        from app import supervisor
        supervisor.GRACE_S = {grace_s}
        with supervisor.Supervisor(Path.cwd(), os.environ) as keeper:
            keeper.start(supervisor.Child("child", [sys.executable, "-c", {textwrap.dedent(child)!r}]))
            print("started", flush=True)
            while not keeper.stopping:
                keeper.revive()
                keeper.pause(1.0)
        print("ended", flush=True)
    """
    return [sys.executable, "-c", textwrap.dedent(program)]


PATIENT = "print('up', flush=True); import time; time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + PATIENT


def wait_for_output(process: subprocess.Popen[str], text: str, within_s: float = 20.0) -> str:
    file: Path = process.output
    found = eventually(lambda: text in file.read_text() or process.poll() is not None, within_s)
    assert found, file.read_text()
    assert text in file.read_text(), file.read_text()
    return file.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_signal_ends_every_child(run: Run, number: signal.Signals) -> None:
    keeper = run(supervised(PATIENT))
    wait_for_output(keeper, "child: up")
    children = descendants(keeper.pid)

    keeper.send_signal(number)

    assert keeper.wait(10) == 0
    assert children
    assert not any(map(is_alive, children))


def test_ctrl_c_pressed_again_and_again_still_stops_cleanly(run: Run) -> None:
    keeper = run(supervised(STUBBORN, grace_s=1.0))
    wait_for_output(keeper, "child: up")
    children = descendants(keeper.pid)

    for _ in range(5):
        os.killpg(keeper.pid, signal.SIGINT)  # as a terminal does: to everybody in the foreground
        time.sleep(0.1)

    assert keeper.wait(10) == 0
    assert "Traceback" not in wait_for_output(keeper, "ended")
    assert not any(map(is_alive, children))


def test_a_child_that_will_not_stop_is_killed_with_what_it_started(run: Run) -> None:
    offspring = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {STUBBORN!r}]);"
    keeper = run(supervised(offspring + STUBBORN, grace_s=0.5))
    assert eventually(lambda: len(descendants(keeper.pid)) == 2)
    wait_for_output(keeper, "child: up")
    children = descendants(keeper.pid)

    keeper.terminate()

    assert keeper.wait(10) == 0
    assert eventually(lambda: not any(map(is_alive, children)), 2)


def test_no_child_survives_a_killed_supervisor(run: Run) -> None:
    keeper = run(supervised(PATIENT))
    wait_for_output(keeper, "child: up")
    children = descendants(keeper.pid)

    keeper.kill()

    assert eventually(lambda: not any(map(is_alive, children)), 5)


def test_a_child_that_dies_is_started_again(run: Run) -> None:
    keeper = run(supervised(PATIENT))
    wait_for_output(keeper, "child: up")
    (child,) = descendants(keeper.pid)

    os.kill(child, signal.SIGKILL)

    said = wait_for_output(keeper, "starts again in 1 s")
    assert "The child process ended (status -9)" in said
    assert eventually(lambda: keeper.output.read_text().count("child: up") == 2, 5)  # type: ignore[attr-defined]


# --- app.server

# What scripts/run becomes once the environment is there.
SERVER = [sys.executable, "-m", "app.server"]
SCRIPT = [str(ROOT / "scripts/run")]


@pytest.fixture
def site(run: Run, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start an installation of its own, embedded, on a free port."""

    def start(command: list[str] = SERVER, environ: Mapping[str, str] = {}, **options: object) -> Any:
        port = str(free_port())
        own = {"INSTANCE_PATH": str(tmp_path / "instance"), "LOG_DIR": str(tmp_path / "logs"), "PORT": port}
        unset = [
            "REDIS_URL",
            "DATABASE_URL",
            "POSTGRES_DB",
            "WEB_CONCURRENCY",
            "HOST",
            "SERVER_NAME",
            "PUBLIC_URL",
        ]
        unset += ["ADMIN_USERNAME", "ADMIN_PASSWORD", "API_TOKEN"]
        process = run(command, {**dict.fromkeys(unset, ""), **own, **environ}, **options)
        process.port = port
        return process

    return start


def refusal(process: subprocess.Popen[str]) -> str:
    assert process.wait(30) == 1
    text: str = process.output.read_text()
    return text.strip()


def test_a_taken_port_is_refused_in_one_sentence(site: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = refusal(site(environ={"PORT": str(port)}))

    assert re.fullmatch(rf"Port {port} of 127.0.0.1 is taken by another program.*\.", said)


def test_several_web_processes_without_redis_are_refused(site: Run) -> None:
    said = refusal(site(environ={"WEB_CONCURRENCY": "2"}))

    assert re.fullmatch(r"WEB_CONCURRENCY=2 needs REDIS_URL: .*\.", said)


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "0"), ("PORT", "http"), ("HOST", "192.0.2.77"), ("INSTANCE_PATH", "/proc/nowhere")],
)
def test_a_setting_that_cannot_work_is_named_in_one_sentence(site: Run, name: str, value: str) -> None:
    said = refusal(site(environ={name: value}))

    assert name in said
    assert len(said.splitlines()) == 1


def test_the_settings_of_gunicorn_import_nothing_that_gevent_would_have_to_patch() -> None:
    program = """
        import runpy, sys
        settings = runpy.run_path("app/gunicorn_settings.py")
        early = {"app", "flask", "sqlalchemy", "psycopg"}.intersection(sys.modules)
        assert not early, early
        print(settings["bind"], settings["worker_connections"])
    """
    environ = {**os.environ, "HOST": "::1", "PORT": "8001", "OCPP_MAX_CHARGERS": "50"}
    # Each of these is checked or completed by what is to be patched.
    environ |= {"MAIL_FROM": "depot@example.com", "POSTGRES_DB": "site", "MAP_TILES_URL": "none"}
    said = subprocess.check_output(
        [sys.executable, "-c", textwrap.dedent(program)], cwd=ROOT, env=environ, text=True
    )

    assert said.split() == ["[::1]:8001", "1050"]


def answer(port: str, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
            return int(response.status)
    except OSError:
        return 0


@pytest.mark.slow
def test_the_first_start_keeps_its_secrets_in_a_file_and_the_second_only_serves(
    site: Run, tmp_path: Path
) -> None:
    first = site(SCRIPT, cwd=tmp_path)
    said = wait_for_output(first, "Ctrl-C stops it.", 60)
    file = tmp_path / "instance" / "first-run-secrets.txt"
    secrets = re.findall(r"(?:Password|API token)\s+(\S+)", file.read_text())

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(secrets) == 2
    assert not any(secret in said for secret in secrets)
    assert str(file) in said
    for address in ("/\n", "/admin/\n", "/<path>/<charger_id>/\n", "/ws/echo/\n"):
        assert re.search(rf"(http|ws)://localhost:{first.port}{re.escape(address)}", said)
    assert "HOST=0.0.0.0 scripts/run" in said
    assert answer(first.port, "/healthz") == 200
    first.terminate()
    assert first.wait(40) == 0

    second = site(SCRIPT, cwd="/")
    assert eventually(lambda: answer(second.port, "/healthz") == 200, 30)
    said = wait_for_output(second, "Ctrl-C stops it.")
    # What costs time is left out: it serves at once.
    assert not re.search(r"Making|Installing|Preparing|First staff user \(", said)
    second.terminate()
    assert second.wait(40) == 0


@pytest.mark.slow
def test_a_terminal_is_shown_the_secrets_once_and_no_file_is_kept(site: Run, tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    process = site(stdout=follower, stderr=follower)
    os.close(follower)
    said = ""
    try:
        while "Ctrl-C stops it." not in said:
            said += os.read(leader, 65536).decode()
        process.send_signal(signal.SIGINT)
        assert process.wait(40) == 0
    except OSError:  # how the terminal of a process that has ended reads
        pytest.fail(said)
    finally:
        os.close(leader)

    assert re.search(r"User name\s+admin", said)
    assert re.search(r"Password\s+\S{12,}", said)
    assert re.search(r"API token\s+\S{20,}", said)
    assert not (tmp_path / "instance" / "first-run-secrets.txt").exists()


@pytest.mark.slow
def test_secrets_from_the_environment_are_neither_shown_nor_written(site: Run, tmp_path: Path) -> None:
    given = {"ADMIN_USERNAME": "boss", "ADMIN_PASSWORD": "correct horse battery", "API_TOKEN": "t" * 40}
    process = site(environ=given)
    said = wait_for_output(process, "Ctrl-C stops it.", 60)

    assert "boss" in said
    assert not any(given[name] in said for name in ("ADMIN_PASSWORD", "API_TOKEN"))
    assert not (tmp_path / "instance" / "first-run-secrets.txt").exists()
    inherited = b"".join(Path(f"/proc/{pid}/environ").read_bytes() for pid in descendants(process.pid))
    assert given["ADMIN_PASSWORD"].encode() not in inherited
    assert (tmp_path / "instance" / "constellation.sqlite3").stat().st_mode & 0o007 == 0
    process.terminate()
    assert process.wait(40) == 0


@pytest.mark.slow
def test_nothing_of_the_site_survives_a_killed_supervisor(site: Run) -> None:
    process = site()
    wait_for_output(process, "Ctrl-C stops it.", 60)
    assert eventually(lambda: len(descendants(process.pid)) == 4)  # web and its worker, the worker, beat
    children = descendants(process.pid)
    time.sleep(2)

    process.kill()

    assert eventually(lambda: not any(map(is_alive, children)), 20)


@pytest.mark.slow
def test_a_second_site_on_the_same_instance_is_refused(site: Run) -> None:
    first = site()
    wait_for_output(first, "Ctrl-C stops it.", 60)

    assert "Another scripts/run is using" in refusal(site())
    first.terminate()
    assert first.wait(40) == 0


@pytest.mark.slow
def test_a_database_that_cannot_be_used_is_named_in_one_sentence(site: Run) -> None:
    url = f"postgresql://nobody:hush@127.0.0.1:{free_port()}/nothing"
    said = refusal(site(environ={"DATABASE_URL": url}))

    assert said.startswith("The database cannot be used: ")
    assert "hush" not in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("given", "command"),
    [
        ({}, "simulate --count 3\n"),
        ({"PORT": "8001"}, "simulate --count 3 --port 8001\n"),
        ({"HOST": "0.0.0.0"}, "simulate --count 3\n"),
        ({"HOST": "192.0.2.7", "PORT": "80"}, "simulate --count 3 --port 80 --host 192.0.2.7\n"),
    ],
)
def test_the_trial_that_is_proposed_finds_this_site(given: dict[str, str], command: str) -> None:
    assert command in announcement.next_steps(config.settings(given))


# --- scripts/environment.sh


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A project of one package, in a folder with a space, installable without a network."""
    return trees.small(tmp_path / "a tree")


def ensuring(tree: Path, **environ: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            "/bin/bash",
            "-euo",
            "pipefail",
            "-c",
            '. "$1"; ensure_environment requirements.txt',
            "bash",
            tree / "scripts/environment.sh",
        ],
        env={
            **os.environ,
            "PIP_FIND_LINKS": (tree / "wheels").as_uri(),
            "PIP_NO_INDEX": "1",
            "PYTHON": "",
            **environ,
        },
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ensure(tree: Path, **environ: str) -> str:
    process = ensuring(tree, **environ)
    said = process.communicate(timeout=100)[0]
    assert process.returncode == 0, said
    return said


def installed(tree: Path) -> str:
    python = tree / ".venv/bin/python"
    return subprocess.check_output([python, "-c", "import little; print(little.version)"], text=True).strip()


@pytest.mark.slow
def test_an_environment_is_made_once_and_again_only_when_something_changed(tree: Path) -> None:
    assert "Installing requirements.txt" in ensure(tree, HOME="")
    assert installed(tree) == "1.0"

    begun = time.monotonic()
    assert ensure(tree) == ""
    assert time.monotonic() - begun < 1

    trees.lock_package(tree, "2.0")
    assert "Making .venv" not in ensure(tree)
    assert installed(tree) == "2.0"

    moved = tree.rename(tree.with_name("moved"))  # the programs in .venv/bin name the old place
    assert "Making .venv" in ensure(moved)
    assert installed(moved) == "2.0"


@pytest.mark.slow
def test_two_that_start_at_the_same_time_install_once(tree: Path) -> None:
    both = [ensuring(tree), ensuring(tree)]
    said = [process.communicate(timeout=100)[0] for process in both]

    assert [process.returncode for process in both] == [0, 0]
    assert "".join(said).count("Installing requirements.txt") == 1
    assert installed(tree) == "1.0"


@pytest.mark.slow
def test_an_interrupted_installation_is_repaired_by_the_next_run(tree: Path) -> None:
    interrupted = ensuring(tree)
    assert eventually(lambda: (tree / ".venv/.installing").exists())
    time.sleep(1)
    for pid in [*descendants(interrupted.pid), interrupted.pid]:
        os.kill(pid, signal.SIGKILL)
    interrupted.communicate()

    ensure(tree)
    assert installed(tree) == "1.0"
    assert ensure(tree) == ""


@pytest.mark.slow
def test_an_installation_that_is_told_to_stop_leaves_no_pip_behind(tree: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # an index that takes calls and says nothing
        index = f"http://127.0.0.1:{silent.getsockname()[1]}/simple/"
        installing = ensuring(tree, PIP_INDEX_URL=index, PIP_NO_INDEX="0", PIP_FIND_LINKS="", PIP_RETRIES="0")
        silent.settimeout(60)
        call, _ = silent.accept()
        started = descendants(installing.pid)

        installing.terminate()  # as systemd and kill do: the script alone
        said = installing.communicate(timeout=30)[0]

        call.close()
    assert installing.returncode == 143, said
    assert started
    assert eventually(lambda: not any(map(is_alive, started)), 5)
    ensure(tree)
    assert installed(tree) == "1.0"


@pytest.mark.slow
def test_a_package_that_is_not_the_locked_one_is_refused_and_can_be_mended(tree: Path) -> None:
    lock = tree / "requirements.txt"
    good = lock.read_text()
    lock.write_text(re.sub("sha256:.*", "sha256:" + "0" * 64, good))
    process = ensuring(tree)
    said = process.communicate(timeout=100)[0]

    assert process.returncode == 1
    assert "Run the same command again" in said
    lock.write_text(good)
    assert "Making .venv" not in ensure(tree)
    assert installed(tree) == "1.0"


def test_a_machine_without_a_fitting_python_is_told_what_to_install(tree: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "dirname", "flock", "sha256sum", "readlink", "cat", "rm", "mkdir", "touch"):
        (tools / name).symlink_to(shutil.which(name) or name)
    process = ensuring(tree, PATH=str(tools))
    said = process.communicate(timeout=20)[0]

    assert process.returncode == 1
    assert "apt-get install python3 python3-venv" in said
    assert not (tree / ".venv").exists()
