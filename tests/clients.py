"""A browser for tests: it has CSRF tokens, and meets the application as strangers do."""

from __future__ import annotations

import contextvars
import hashlib
import secrets
from typing import Any

from flask import has_app_context
from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer
from werkzeug.test import TestResponse

from app.blueprints.accounts.models import User
from app.db import db


class Browser(FlaskClient):
    """A client whose requests see what the test has made, and nothing of the test's application context."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        """Send a request. Rows that factories made are committed before it, so that it can see them."""
        if not has_app_context():
            return super().open(*args, **kwargs)
        db.session.commit()
        # Flask would lend the test's context, with its `g` and its session, to every request.
        return contextvars.Context().run(super().open, *args, **kwargs)

    def log_in(self, user: User) -> Browser:
        """Be this user, without the cost of a password."""
        with self.session_transaction() as session:
            session["_user_id"] = user.get_id()
            session["_fresh"] = True
        return self

    def csrf_token(self) -> str:
        """What a page of this session would carry in its forms."""
        with self.session_transaction() as session:
            raw = session.setdefault("csrf_token", hashlib.sha1(secrets.token_bytes(64)).hexdigest())
        serializer = URLSafeTimedSerializer(self.application.secret_key, salt="wtf-csrf-token")
        return str(serializer.dumps(raw))

    def submit(self, url: str, data: dict[str, Any] | None = None, **kwargs: Any) -> TestResponse:
        """Post a form as one of our own pages would."""
        return self.post(url, data={**(data or {}), "csrf_token": self.csrf_token()}, **kwargs)
