"""A Redis server of a test's own, to be stopped, frozen and started again."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from shutil import which

import redis

from tests.databases import unavailable
from tests.ocpp.staff import eventually
from tests.servers import free_port


class RedisServer:
    """One redis-server that keeps nothing on disk."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, empty, and wait until it answers."""
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        eventually(self._answers)

    def stop(self) -> None:
        """Gone, with all that it knew."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """Accept connections and say nothing, as a machine that is stuck."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on as if nothing had been."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def forget(self) -> None:
        """Lose everything but the connections."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def processes(self) -> int:
        """How many web processes have said that they live."""
        with redis.Redis.from_url(self.url) as client:
            return int(client.zcard("constellation:processes"))

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """A running Redis; the test is skipped where there is none to run."""
    if which("redis-server") is None:
        unavailable("redis-server is not installed")
    server = RedisServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()
