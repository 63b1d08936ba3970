"""What ``scripts/run`` tells its owner once the site serves: where things are, and what to do next."""

from __future__ import annotations

import fcntl
import ipaddress
import resource
import socket
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app import version
from app.config import FLASK, RUN, Config

SIOCGIFADDR = 0x8915  # linux/sockios.h
# So many chargers are a large site: less room than that is worth a word.
PLENTY = 5000
# Bridges of container engines: no charger is behind them.
NOT_OURS = ("lo", "docker", "br-", "veth", "virbr", "cni")


def ready(settings: Mapping[str, Any]) -> str:
    """The addresses of the site."""
    http = site_url(settings)
    ws = http.replace("http", "ws", 1)
    return "\n".join(
        [
            f"Arthexis Constellation {version.text()} is ready.",
            "",
            f"  Site          {http}/",
            f"  Admin         {http}/admin/",
            f"  Chargers      {ws}/<path>/<charger_id>/",
            f"  Echo socket   {ws}/ws/echo/",
            "",
        ]
    )


def first_user(lines: Sequence[str]) -> str:
    """The staff user that the first start made; said once."""
    return "\n".join(["First staff user (this is shown only once):", *lines, ""])


def unread_secrets(file: Path) -> str:
    """Where the password and the token wait."""
    return f"The first staff user's password and API token are in this file; delete it when done:\n  {file}\n"


def next_steps(settings: Mapping[str, Any]) -> str:
    """Who can reach the site, and what to try."""
    trial = ["Try it, in a second terminal:", f"  {FLASK} simulate --count 3{_where(settings)}", ""]
    return "\n".join([*_reach(settings), *_room(settings), *trial, "Ctrl-C stops it."])


def site_url(settings: Mapping[str, Any]) -> str:
    """Where a browser on this machine finds the site; PUBLIC_URL, when the owner has set one."""
    host, port = settings["HOST"], settings["PORT"]
    if (
        settings["PUBLIC_URL"] != f"http://localhost:{port}"
        or _is_wildcard(host)
        or host in ("127.0.0.1", "localhost")
    ):
        return str(settings["PUBLIC_URL"])
    return f"http://{in_url(host)}:{port}"


def own_addresses() -> list[str]:
    """The IPv4 addresses at which this machine's networks know it."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            if name.startswith(NOT_OURS):
                continue
            try:
                answer = fcntl.ioctl(probe, SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
            except OSError:  # a network without an address
                continue
            found.append(socket.inet_ntoa(answer[20:24]))
    return found


def in_url(host: str) -> str:
    """IPv6 addresses stand in brackets."""
    return f"[{host}]" if ":" in host else host


def _reach(settings: Mapping[str, Any]) -> list[str]:
    host, port = settings["HOST"], settings["PORT"]
    addresses = own_addresses()
    if _is_loopback(host):
        lines = ["Only this machine can reach it. To let chargers and phones in, stop it and start it with:"]
        lines += [f"  HOST=0.0.0.0 {RUN}", *_at(addresses, port, "Then it is at"), ""]
        return lines
    lines = [*_at(addresses if _is_wildcard(host) else [host], port, "Chargers and phones find it at"), ""]
    if not settings["OCPP_REQUIRE_KEY"]:
        lines += [
            "Warning: whoever reaches this address can connect as any charger that has no key.",
            "  Give the chargers keys and set OCPP_REQUIRE_KEY=1, or keep this network to yourself.",
            "",
        ]
    return lines


def _at(addresses: Sequence[str], port: int, opening: str) -> list[str]:
    if not addresses:
        return []
    return [
        f"{opening}:",
        *(f"  http://{in_url(a)}:{port}/   ws://{in_url(a)}:{port}/<path>/<charger_id>/" for a in addresses),
    ]


def _room(settings: Mapping[str, Any]) -> list[str]:
    """Each charger is an open file, and a low limit of the system counts more than ours."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard >= min(settings["OCPP_MAX_CHARGERS"], PLENTY) + 200:
        return []
    return [
        f"This system lets a process open {hard} files, so about {max(hard - 200, 0)} chargers fit at once:",
        "  raise it with `ulimit -Hn`, or LimitNOFILE= in the systemd unit.",
        "",
    ]


def _where(settings: Mapping[str, Any]) -> str:
    """How a simulator finds this site, where its own defaults would not."""
    host, port = settings["HOST"], settings["PORT"]
    told = f" --port {port}" if port != Config.PORT else ""
    is_default = _is_wildcard(host) or host in ("localhost", Config.HOST)
    return told if is_default else f"{told} --host {in_url(host)}"


def _is_wildcard(host: str) -> bool:
    return host in ("", "0.0.0.0", "::")  # noqa: S104


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
