"""A TCP proxy between a server and its database: it can be away, hang up, or lose the answer to a COMMIT."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

COMMIT = b"COMMIT"


class Proxy:
    """Forwards ``port`` to another port of this machine until told otherwise."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        # Of the next COMMIT that passes: "request" never arrives, "answer" never comes back.
        self.lose_commit = ""
        self._listener: socket.socket | None = None
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._lock = threading.Lock()
        self.come_back()

    def come_back(self) -> None:
        """Accept connections, again on the same port."""
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=100)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def go_away(self) -> None:
        """Refuse connections, and break those that are."""
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.drop()

    def drop(self) -> None:
        """Break every connection; new ones are served."""
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            self._end(pair)

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                pair = (client, socket.create_connection(("127.0.0.1", self.target)))
                with self._lock:
                    self._pairs.add(pair)
                for source, sink in (pair, pair[::-1]):
                    source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    threading.Thread(target=self._pump, args=(pair, source, sink), daemon=True).start()

    def _pump(
        self, pair: tuple[socket.socket, socket.socket], source: socket.socket, sink: socket.socket
    ) -> None:
        from_client, losing = source is pair[0], False
        with suppress(OSError):
            while data := source.recv(65_536):
                if from_client and self.lose_commit and COMMIT in data:
                    how, self.lose_commit = self.lose_commit, ""
                    if how == "request":
                        break
                    losing = True
                if losing:
                    self._forward_and_lose(pair, data)
                    break
                sink.sendall(data)
        self._end(pair)

    def _forward_and_lose(self, pair: tuple[socket.socket, socket.socket], data: bytes) -> None:
        """The server commits, and says so to nobody: the other pump's sink is closed first."""
        client, server = pair
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
        server.sendall(data)
        server.shutdown(socket.SHUT_WR)
        server.settimeout(2)
        with suppress(OSError):
            while server.recv(65_536):  # it hangs up when it has carried out what it was sent
                pass

    def _end(self, pair: tuple[socket.socket, socket.socket]) -> None:
        with self._lock:
            self._pairs.discard(pair)
        for one in pair:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@contextmanager
def proxied(target: int) -> Iterator[Proxy]:
    """A proxy to a port of this machine."""
    proxy = Proxy(target)
    try:
        yield proxy
    finally:
        proxy.go_away()
