"""The staff screen of nodes."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from app.blueprints.accounts.models import AuditEntry
from app.blueprints.nodes import services
from app.blueprints.nodes.models import STALE_AFTER, Node
from app.clock import utcnow
from tests.accounts.screens import actions, count, messages
from tests.databases import both_databases
from tests.factories import NodeFactory, UserFactory

SCREEN = "/admin/nodes/"
BUTTON = "/admin/nodes/register-current-host/"


@pytest.fixture
def _host(monkeypatch):
    """A machine called ``here`` at 192.0.2.77."""
    monkeypatch.setattr("socket.gethostname", lambda: "here")
    monkeypatch.setattr(services, "own_address", lambda host: "192.0.2.77")


@pytest.mark.parametrize(("silence", "state"), [(timedelta(), "Seen"), (STALE_AFTER, "Stale")])
def test_a_node_that_was_not_seen_for_a_while_is_stale(staff, work, silence, state):
    row = NodeFactory(last_seen=utcnow() - silence)

    for page in (SCREEN, f"{SCREEN}details/?id={row.id}"):
        badges = re.findall(r'<span class="badge[^>]*>(\w+)</span>', staff.get(page).text)
        assert badges == [state]


def test_a_node_may_be_silent_for_a_quarter_of_an_hour(work):
    assert not NodeFactory(last_seen=utcnow() - timedelta(minutes=14, seconds=50)).is_stale
    assert NodeFactory(last_seen=utcnow() - timedelta(minutes=15, seconds=1)).is_stale


@both_databases
@pytest.mark.usefixtures("_host")
def test_the_current_host_is_registered_by_a_button(staff, work):
    page = staff.get(SCREEN).text
    assert f'action="{BUTTON}"' in page
    assert "Register current host" in page

    answer = staff.submit(BUTTON, follow_redirects=True)

    assert "here is registered at 192.0.2.77, port 8000." in messages(answer)
    row = work.scalars(select(Node)).one()
    assert (row.hostname, row.address, row.port, row.is_stale) == ("here", "192.0.2.77", 8000, False)
    assert actions(work) == [("staff", "register", "node")]


@both_databases
@pytest.mark.usefixtures("_host")
def test_the_current_host_again_is_the_same_node(staff, work):
    NodeFactory(hostname="here", port=1, last_seen=utcnow() - timedelta(days=1))

    staff.submit(BUTTON)

    row = work.scalars(select(Node).execution_options(populate_existing=True)).one()
    assert (row.address, row.port, row.is_stale) == ("192.0.2.77", 8000, False)
    details = work.scalar(select(AuditEntry.details))
    assert details["port"] == [1, 8000]
    assert set(details) == {"address", "port"}


@pytest.mark.usefixtures("_host")
def test_the_button_needs_staff_a_post_and_a_csrf_token(client, staff, api, work):
    assert client.submit(BUTTON).status_code == 302
    assert client.post(BUTTON, headers=api).status_code == 403
    client.log_in(UserFactory())
    assert client.submit(BUTTON).status_code == 403
    assert staff.get(BUTTON).status_code == 405
    assert staff.post(BUTTON).status_code == 400
    assert count(work, Node) == 0


def test_this_machine_has_an_address_of_its_own():
    for host in ("127.0.0.1", "0.0.0.0", "::", "::1", "localhost", "", "some.name"):
        assert re.fullmatch(r"[0-9.]+|[0-9a-f:]+", services.own_address(host))
        assert services.own_address(host) not in ("0.0.0.0", "::")


def test_a_server_that_listens_on_one_address_is_there():
    for host in ("192.0.2.9", "2001:db8::9"):
        assert services.own_address(host) == host


def test_a_machine_without_networks_is_at_its_loopback_address(monkeypatch):
    def unreachable(*_arguments):
        raise OSError

    monkeypatch.setattr("socket.socket", unreachable)
    monkeypatch.setattr("app.announcement.own_addresses", list)

    assert services.own_address("0.0.0.0") == "127.0.0.1"


@both_databases
def test_staff_add_correct_and_remove_nodes(staff, work):
    staff.submit(f"{SCREEN}new/", {"hostname": " south ", "address": "2001:DB8:0::2", "port": "8443"})
    row = work.scalars(select(Node)).one()
    assert (row.hostname, row.address, row.port) == ("south", "2001:db8::2", 8443)

    data = {"hostname": "south", "address": "192.0.2.2", "port": "8000"}
    staff.submit(f"{SCREEN}edit/?id={row.id}", data)
    work.refresh(row)
    assert (row.address, row.port) == ("192.0.2.2", 8000)

    staff.submit(f"{SCREEN}delete/", {"id": row.id})
    assert count(work, Node) == 0
    assert [name for _, name, _ in actions(work)] == ["create", "update", "delete"]


@both_databases
def test_what_is_no_node_is_refused(staff, work):
    NodeFactory(hostname="known")
    right = {"hostname": "south", "address": "192.0.2.2", "port": "1"}
    for wrong, sentence in (
        ({"hostname": ""}, "This field is required."),
        ({"hostname": "a b"}, "hostname must be 1 to 253 letters, digits, and . - _"),
        ({"address": "x"}, "address must be an IPv4 or IPv6 address"),
        ({"port": "0"}, "Number must be between 1 and 65535."),
        ({"port": "9" * 30}, "Number must be between 1 and 65535."),
        ({"hostname": "known"}, "Already exists."),
    ):
        answer = staff.submit(f"{SCREEN}new/", right | wrong)

        assert answer.status_code == 200
        assert sentence in html.unescape(answer.text)
        assert count(work, Node) == 1


def test_nodes_are_sorted_searched_and_filtered(app, staff, work):
    NodeFactory(hostname="north")
    NodeFactory(hostname="south")
    page = staff.get(f"{SCREEN}?search=nor").text
    assert "north" in page
    assert "south" not in page
    view = next(view for view in app.extensions["admin"][0]._views if view.url == "/admin/nodes")
    addresses = set(map(html.unescape, re.findall(rf'href="({SCREEN}[^"]*sort=[^"]*)"', page)))
    addresses |= {
        f"{SCREEN}?flt0_{view.get_filter_arg(number, flt)}={value}"
        for number, flt in enumerate(view._filters)
        for value in ("1", "x", "2026-01-01 00:00:00")
    }
    assert len(addresses) > 12
    for address in addresses:
        assert staff.get(address).status_code == 200, address


def test_strangers_and_drivers_do_not_see_nodes(client, work):
    assert client.get(SCREEN).location == "/login/?next=/admin/nodes/"
    client.log_in(UserFactory())
    assert client.get(SCREEN).status_code == 403
