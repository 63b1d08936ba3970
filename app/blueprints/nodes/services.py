"""What can be done with nodes."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from contextlib import suppress

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from app import announcement
from app.blueprints.accounts.models import User
from app.blueprints.accounts.services import audit
from app.blueprints.nodes.models import Node
from app.clock import utcnow
from app.db import UnitOfWork

# Addresses that no machine has (RFC 5737, RFC 3849), beyond every network of ours.
OUTSIDE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


def register_node(work: UnitOfWork, *, hostname: str, address: str, port: int, by: User | None) -> Node:
    """Write down where a node is, and that it was heard of just now.

    One statement, so that a node that registers twice at once is one row. A new node and a new place are in
    the audit trail, not every sign of life. ``by`` nobody: it came with the node token.
    """
    known = find_node(work, hostname)
    before = _place(known) if known else {}
    dialect = postgresql if work.get_bind().dialect.name == "postgresql" else sqlite
    place = {"address": address, "port": port, "last_seen": utcnow()}
    statement = dialect.insert(Node).values(hostname=hostname, **place)
    upsert = statement.on_conflict_do_update(index_elements=[Node.hostname], set_=place)
    work.execute(upsert)
    node = find_node(work, hostname)
    assert node is not None  # it has just been written
    if changed := audit.changes(before, _place(node)):
        who = {} if by else {"by": "NODE_TOKEN"}
        audit.record(work, by, "register", node.__tablename__, node.id, changed | who)
    return node


def _place(node: Node) -> dict[str, object]:
    return {"hostname": node.hostname, "address": node.address, "port": node.port}


def all_nodes(work: UnitOfWork) -> Sequence[Node]:
    """Every node, by name."""
    return work.scalars(select(Node).order_by(Node.hostname)).all()


def find_node(work: UnitOfWork, hostname: str) -> Node | None:
    """The node of this name, as the database has it now."""
    chosen = select(Node).where(Node.hostname == hostname)
    return work.scalar(chosen.execution_options(populate_existing=True))


def own_address(host: str) -> str:
    """The address at which a network knows this machine; its loopback address where there is none.

    ``host`` is what the server listens on (the setting HOST): one address, or all.
    """
    if _is_one_address(host):
        return host
    for family, outside in OUTSIDE:
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((outside, 9))  # sends nothing: the system only chooses the network that leads there
            return str(probe.getsockname()[0])
    return next(iter(announcement.own_addresses()), "127.0.0.1")


def _is_one_address(host: str) -> bool:
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return False
    return not (found.is_loopback or found.is_unspecified)
