"""Servers on loopback for the client to meet: an Odoo, and others that misbehave in every way."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from xmlrpc.client import Fault
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer

# What Odoo 17 sends when PostgreSQL has no such database.
NO_DATABASE = """Traceback (most recent call last):
  File "/opt/odoo/odoo/addons/base/controllers/rpc.py", line 154, in _xmlrpc
    result = dispatch_rpc(service, method, params)
  File "/opt/odoo/odoo/service/common.py", line 24, in exp_authenticate
    res_users = odoo.registry(db)['res.users']
psycopg2.OperationalError: connection to server on socket "/run/.s.PGSQL.5432" failed: \
FATAL:  database "{database}" does not exist
"""


@dataclass
class Odoo:
    """An Odoo with one database and one user; it remembers what it was asked."""

    url: str = ""
    database: str = "sales"
    users: dict[str, str] = field(default_factory=lambda: {"ann": "s3cret"})
    asked: list[tuple] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)

    def version(self):
        self.asked.append(("version",))
        return {
            "server_version": "17.0-20240101",
            "server_version_info": [17, 0, 0, "final", 0, ""],
            "server_serie": "17.0",
            "protocol_version": 1,
        }

    def authenticate(self, database, username, password, agent):
        self.asked.append(("authenticate", database, username, password, agent))
        if database != self.database:
            raise Fault(1, NO_DATABASE.format(database=database))
        return 7 if self.users.get(username) == password else False


class _Server(SimpleXMLRPCServer):
    allow_reuse_address = True
    request_queue_size = 128

    def process_request(self, request, client_address):
        threading.Thread(target=self._serve, args=(request, client_address), daemon=True).start()

    def _serve(self, request, client_address):
        with suppress(OSError):  # the client has had enough
            self.finish_request(request, client_address)
        self.shutdown_request(request)

    def handle_error(self, request, client_address):
        pass


def _handler(odoo: Odoo, path: str) -> type[SimpleXMLRPCRequestHandler]:
    class Handler(SimpleXMLRPCRequestHandler):
        rpc_paths = (path,)

        def do_POST(self):
            odoo.hosts.append(self.headers["Host"])
            super().do_POST()

        def log_message(self, *_arguments):
            pass

    return Handler


@contextmanager
def odoo_server(odoo: Odoo | None = None, *, tls: ssl.SSLContext | None = None, prefix="") -> Iterator[Odoo]:
    """A real XML-RPC server that speaks Odoo's ``/xmlrpc/2/common``."""
    odoo = odoo or Odoo()
    handler = _handler(odoo, f"{prefix}/xmlrpc/2/common")
    with _Server(("127.0.0.1", 0), handler, logRequests=False, allow_none=True) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        server.register_instance(odoo)
        scheme = "https" if tls else "http"
        odoo.url = f"{scheme}://127.0.0.1:{server.server_address[1]}{prefix}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield odoo
        server.shutdown()


@contextmanager
def tcp_server(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Give each connection to ``serve``, in a thread; yields the port."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def one(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            serve(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def question(connection: socket.socket) -> bytes:
    """Read a whole request."""
    text = b""
    while b"</methodCall>" not in text:
        piece = connection.recv(65536)
        if not piece:
            break
        text += piece
    return text


def saying(answer: bytes) -> Callable[[socket.socket], None]:
    """Read a request, and answer with these bytes."""

    def serve(connection: socket.socket) -> None:
        question(connection)
        connection.sendall(answer)

    return serve


def http(body: bytes = b"", status: str = "200 OK", kind: str = "text/xml", **headers: str) -> bytes:
    """The bytes of an HTTP answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
