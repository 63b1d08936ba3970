"""The HTTP endpoints of nodes."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from flask.typing import ResponseReturnValue

from app import access
from app.blueprints import Domain
from app.blueprints.accounts.models import User
from app.blueprints.nodes import services
from app.blueprints.nodes.forms import Registration
from app.blueprints.nodes.models import Node
from app.body import body
from app.db import db, unit_of_work

bp = Domain("nodes", __name__)


@bp.post("/register/")
@access.allow(access.NODE, json=True, only_post=True)
def register() -> ResponseReturnValue:
    """Tell where a node is, and that it is up."""
    told = Registration.parse(body())
    user = access.caller().user
    with unit_of_work() as work:
        node = services.register_node(
            work, hostname=told.hostname, address=told.address, port=told.port,
            by=user if isinstance(user, User) else None,
        )  # fmt: skip
        return {"id": node.id}


@bp.get("/list/")
@access.allow(access.NODE, json=True)
def list_nodes() -> ResponseReturnValue:
    """List every node."""
    return {"nodes": [_node(row) for row in services.all_nodes(db.session())]}


def _node(row: Node) -> dict[str, Any]:
    seen = row.last_seen.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {"hostname": row.hostname, "address": row.address, "port": row.port, "last_seen": seen}
