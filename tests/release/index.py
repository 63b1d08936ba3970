"""A package index on loopback: it knows its users, checks what it is sent, and replaces nothing."""

from __future__ import annotations

import hashlib
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

TOKEN = "pypi-AgEIcHlwaS5vcmc"


class Index:
    """Takes uploads at ``/legacy/`` as the public one does. ``trouble`` answers instead, when it is set."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.users = {"__token__": TOKEN, "maria": "correct horse"}
        self.trouble: Response | None = None
        # Set: takes the request and never answers, until it is let go.
        self.hangs = threading.Event()
        self.let_go = threading.Event()
        self.asked = 0
        self.url = ""

    @property
    def files(self) -> list[str]:
        """What has been uploaded."""
        return sorted(file.name for file in self.folder.iterdir())

    @Request.application
    def __call__(self, request: Request) -> Response:
        """Serve one request."""
        self.asked += 1
        if self.hangs.is_set():
            self.let_go.wait(30)
            return Response("too late", 500)
        if self.trouble is not None:
            return self.trouble
        if request.path != "/legacy/" or request.method != "POST":
            return Response("nothing here", 404)
        who = request.authorization
        if who is None or who.username not in self.users or self.users[who.username] != who.password:
            return Response("Invalid or non-existent authentication information.", 403)
        return self._take(request)

    def _take(self, request: Request) -> Response:
        content = request.files["content"]
        data, name = content.read(), str(content.filename)
        form = request.form
        if form[":action"] != "file_upload" or form["sha256_digest"] != hashlib.sha256(data).hexdigest():
            return Response("The digest is not that of the file.", 400)
        if not name.startswith(form["name"].replace("-", "_")) or form["version"] not in name:
            return Response("<h1>Bad</h1> The file has another name.", 400)
        if (self.folder / name).exists():
            return Response(f"File already exists ('{name}').", 400)
        (self.folder / name).write_bytes(data)
        return Response("OK")


@contextmanager
def serving(folder: Path, ssl_context: ssl.SSLContext | None = None) -> Iterator[Index]:
    """An index that runs."""
    folder.mkdir()
    index = Index(folder)
    server = make_server("127.0.0.1", 0, index, threaded=True, ssl_context=ssl_context)
    scheme = "https" if ssl_context else "http"
    index.url = f"{scheme}://127.0.0.1:{server.server_port}/legacy/"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield index
    finally:
        index.let_go.set()
        server.shutdown()
        thread.join()
        server.server_close()
