"""A server as a child process: started, measured by what the kernel says of it, ended for certain."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_LOG_TAIL = 3000


class StartFailed(Exception):
    """The server did not come up; the text ends with what it wrote."""


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


class Server:
    """A server under test. It leads a process group of its own, so that ending it leaves nobody behind."""

    name = ""
    start_timeout_s = 60.0

    def __init__(self, arguments: list[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.port = free_port()
        self.arguments, self.log, self.environment = arguments, log, dict(environment or os.environ)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Return when the server is ready. Raises StartFailed."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.arguments, cwd=ROOT, env=self.environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + self.start_timeout_s
        try:
            while not self.ready():
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise StartFailed(f"{self.name} did not start:\n{self.tail()}")
                time.sleep(0.1)
        except BaseException:  # a Ctrl-C, too: nobody else would end it
            self.kill()
            raise

    def ready(self) -> bool:
        """Tell whether it serves: here, whether it accepts a connection."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=2).close()
        except OSError:
            return False
        return True

    def stop(self, timeout_s: float = 30) -> None:
        """SIGTERM, as an operator would; whoever stays longer is killed."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            self._process.terminate()
            self._process.wait(timeout_s)
        self.kill()

    def kill(self) -> None:
        """SIGKILL, the whole group."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def tail(self) -> str:
        """Return the last lines that it wrote."""
        return self.log.read_text(errors="replace")[-_LOG_TAIL:] if self.log.exists() else ""

    @property
    def pids(self) -> list[int]:
        """Every process of it."""
        return list(_tree(self._process.pid)) if self._process else []

    def memory_kb(self) -> int:
        """Return the memory of all its processes; what they share is counted once (PSS)."""
        return sum(_pss_kb(pid) for pid in self.pids)

    def cpu_s(self) -> float:
        """Return the processor time that all its processes have used."""
        return sum(_cpu_s(pid) for pid in self.pids)


class Bare(Server):
    """The ``ocpp`` package on ``websockets``."""

    name = "bare"

    def __init__(self, directory: Path, module: str = "bare") -> None:
        super().__init__([], directory / f"{module}.log")
        self.name = module
        self.arguments = [sys.executable, "-m", f"scripts.benchmark.{module}", str(self.port)]


def machine_cpu_s() -> float:
    """Return the processor time that the whole machine has used since it started."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle, waiting = fields[3], fields[4]
    return (sum(fields) - idle - waiting) / _TICKS_PER_S


def _tree(pid: int) -> Iterator[int]:
    yield pid
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _tree(int(child))


def _pss_kb(pid: int) -> int:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def _cpu_s(pid: int) -> float:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        # After the name in parentheses, utime and stime are the 12th and 13th field.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
    return 0.0
