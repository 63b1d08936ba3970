"""The staff screen of host names."""

from __future__ import annotations

import ipaddress
import re

from flask_babel import lazy_gettext
from wtforms import Field, Form, SelectField
from wtforms.validators import ValidationError

from app.admin_base import StaffView
from app.blueprints import DOMAINS
from app.blueprints.website.models import Site
from app.db import UnitOfWork

LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)\Z")


def host_name(_form: Form, field: Field) -> None:
    """Refuse what no browser sends as a host: a scheme, a port, a path, a space."""
    name = (field.data or "").strip().lower()
    if not (_is_address(name) or (len(name) <= 253 and all(LABEL.match(part) for part in name.split(".")))):
        raise ValidationError(
            lazy_gettext("A host name without scheme, port or path, such as charge.example.com.")
        )


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return ":" not in name or name.startswith("[")


class SiteAdmin(StaffView):
    """Which domain a host name shows."""

    column_list = ("domain", "label")
    column_labels = {"domain": lazy_gettext("Host name"), "label": lazy_gettext("Shows")}
    form_columns = ("domain", "label")
    form_overrides = {"label": SelectField}
    form_args = {
        "domain": {"validators": [host_name]},
        "label": {"choices": [(name, name) for name in DOMAINS]},
    }
    column_searchable_list = ("domain",)

    def remove(self, work: UnitOfWork, row: Site) -> None:
        """Delete by way of the session, where the site map listens; nothing refers to a site."""
        work.delete(row)
