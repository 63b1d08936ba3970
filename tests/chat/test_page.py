"""The page that tries the echo socket out."""

from __future__ import annotations

import pytest


def test_it_names_the_socket_addresses_of_the_visited_host(client):
    page = client.get("/chat/", headers={"Host": "192.168.1.5:8000"}).text

    assert 'data-echo="ws://192.168.1.5:8000/ws/echo/"' in page
    assert "ws://192.168.1.5:8000/&lt;path&gt;/&lt;charger id&gt;/" in page


def test_it_names_encrypted_addresses_to_whoever_came_encrypted(client):
    assert 'data-echo="wss://localhost/ws/echo/"' in client.get("/chat/", base_url="https://localhost/").text


@pytest.mark.parametrize("host", ['"><script>alert(1)</script>', "x" * 5000])
def test_a_bad_host_is_not_shown(client, host):
    assert "<script>alert" not in client.get("/chat/", headers={"Host": host}).text
