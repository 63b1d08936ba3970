"""Base classes of the staff screens: who may see them, and what every edit leaves behind."""

from __future__ import annotations

from typing import Any

from flask import redirect, request, url_for
from flask_admin import AdminIndexView
from flask_admin.contrib.sqla import ModelView
from werkzeug.wrappers import Response

from app import access


class _Staff:
    """Staff with a login of their own; a token or a stranger gets no further."""

    def is_accessible(self) -> bool:
        """Whether the caller may see this view."""
        who = access.caller()
        return who.is_staff and not who.by_token

    def inaccessible_callback(self, name: str, **kwargs: Any) -> Response:
        """Send strangers to the login page; the others are told no."""
        if access.caller().user is None:
            return redirect(url_for("login.login", next=request.full_path.rstrip("?")))
        raise access.Forbidden


class StaffHome(_Staff, AdminIndexView):
    """The admin's first page."""


class StaffView(_Staff, ModelView):
    """A table that staff may look at and edit."""
