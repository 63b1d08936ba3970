"""Extension objects, created unbound and bound by ``init_app``."""

from __future__ import annotations

from flask import Flask
from flask_babel import Babel
from flask_bootstrap import Bootstrap5
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_sock import Sock
from flask_wtf import CSRFProtect
from redis.backoff import NoBackoff
from redis.retry import Retry
from tzlocal import get_localzone_name

from app import db as database
from app import language

babel = Babel()
bootstrap = Bootstrap5()
csrf = CSRFProtect()
limiter = Limiter(get_remote_address, headers_enabled=True)
login = LoginManager()
migrate = Migrate()
sock = Sock()

REDIS_PATIENCE = {"socket_connect_timeout": 1, "socket_timeout": 1, "retry": Retry(NoBackoff(), 0)}


def init_app(app: Flask) -> None:
    """Bind every extension. Babel comes before Flask-Admin, which asks for it."""
    database.init_app(app)
    migrate.init_app(app, database.db, directory=app.config["MIGRATIONS_PATH"], render_as_batch=True)
    babel.init_app(
        app,
        locale_selector=language.locale,
        default_timezone=app.config["TIME_ZONE"] or get_localzone_name(),
    )
    bootstrap.init_app(app)
    csrf.init_app(app)
    # Templates ask visitor(): a page must not need the database to say that the database is down.
    login.init_app(app, add_context_processor=False)
    app.config.setdefault("RATELIMIT_STORAGE_URI", app.config["REDIS_URL"] or "memory://")
    if app.config["REDIS_URL"]:  # chargers come in while Redis is down, and do not wait for it
        app.config.setdefault("RATELIMIT_STORAGE_OPTIONS", REDIS_PATIENCE)
    limiter.init_app(app)
