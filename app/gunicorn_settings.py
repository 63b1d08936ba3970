"""How gunicorn serves the application: one greenlet for each charger's socket.

Given to gunicorn as a file, and itself reads ``config.py`` as a file: importing the package here would create
our locks before the gevent worker has replaced ``threading``, and greenlets of one thread would all own them
at once. gunicorn's gevent worker patches first and imports the application after that.
"""

import gc
import os
import resource
import runpy
import signal
from pathlib import Path
from typing import Any

_config = runpy.run_path(str(Path(__file__).with_name("config.py")))
# Read, not checked: some checks import what must not be there yet. The application makes them.
_settings = _config["parsed"](_config["texts"]())
_host = _settings["HOST"]

bind = f"[{_host}]:{_settings['PORT']}" if ":" in _host else f"{_host}:{_settings['PORT']}"
workers = _settings["WEB_CONCURRENCY"]
worker_class = "gevent"
# An open socket takes one place for as long as it lives; pages need some as well.
worker_connections = _settings["OCPP_MAX_CHARGERS"] + 1000
# After a power cut thousands of chargers come back at once. The kernel caps this at net.core.somaxconn, 4096
# where nobody raised it; a charger beyond that tries again a second later.
backlog = 8192
preload_app = False
proc_name = "constellation"

# Seconds without a sign of life from a worker's event loop, not the length of a request.
timeout = 120
# Seconds that requests may take to end when the process stops. Chargers are hung up on by the application.
graceful_timeout = 10
keepalive = 5
limit_request_line = 8190
limit_request_fields = 100
limit_request_field_size = 8190

# X-Forwarded-* is believed by the application, as far as TRUSTED_PROXIES says, and by nobody else.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}

errorlog = "-"
loglevel = "warning"
accesslog = None
# No second way in: the supervisor sends signals.
control_socket_disable = True
# The heartbeat file of a worker must not wait for a slow disk.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108

# Every charger is an open file; the default of 1024 would turn most of them away.
_, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (_hard, _hard))


def post_worker_init(worker: Any) -> None:
    """Join the bus; on SIGTERM hang up on the chargers first, so that they come back; then gunicorn waits.

    gunicorn has no hook for that: it calls ``worker_exit`` only after it has waited ``graceful_timeout``.
    """
    import gevent
    from gevent.server import StreamServer

    from app.blueprints.chat.sockets import hang_up

    # Looking for garbage among all objects stops everybody, a fifth of a second in a new process. What is
    # here now stays; what comes and goes leaves few cycles, so all of it is looked at ten times less often.
    gc.collect()
    gc.freeze()
    gc.set_threshold(700, 10, 100)

    # Newcomers are read a few at a time, and who is connected already in between (gevent's default is 100).
    StreamServer.max_accept = 2

    engine = worker.wsgi.extensions["ocpp"]
    engine.listen()
    engine.vigil.start()

    def stop(number: int, frame: Any) -> None:
        # Not a Thread: its start() waits, and a signal may arrive in the hub, where nothing may wait.
        gevent.spawn(engine.close)
        gevent.spawn(hang_up)
        worker.handle_exit(number, frame)

    signal.signal(signal.SIGTERM, stop)


def worker_exit(_server: Any, worker: Any) -> None:
    """What was submitted while the last requests ended is stored, too."""
    if getattr(worker, "wsgi", None) is not None:  # else it never served
        worker.wsgi.extensions["ocpp"].close()
