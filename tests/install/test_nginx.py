"""``deploy/nginx.conf`` in a real nginx, before a real server: TLS, pages, chargers, and who is calling."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import ClientConnection, connect

from app.clock import utcnow
from app.config import ROOT
from tests import servers
from tests.install.conftest import me, tool

# Another address of this machine than the one that nginx calls the site from.
VISITOR = "127.0.0.2"
AROUND = """
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log;
daemon off;
events {{ worker_connections 200; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


class Front(NamedTuple):
    """nginx, running: its ports, the trust in its certificate, and the server behind it."""

    plain: int
    port: int
    trust: ssl.SSLContext
    server: servers.RunningServer

    def get(self, path: str, **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
        """A page over HTTPS, as a visitor gets it."""
        connection = http.client.HTTPSConnection(
            "localhost", self.port, context=self.trust, source_address=(VISITOR, 0), timeout=30
        )
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response, response.read()

    def charger(self, path: str, subprotocol: str = "ocpp1.6") -> ClientConnection:
        """A charger's socket."""
        return connect(
            f"wss://localhost:{self.port}{path}",
            ssl=self.trust,
            subprotocols=[subprotocol],  # type: ignore[list-item]
            source_address=(VISITOR, 0),
        )


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """The example in front of a server that trusts one proxy."""
    nginx, folder = tool("nginx"), tmp_path_factory.mktemp("nginx")
    plain, port = servers.free_port(), servers.free_port()
    name = f"localhost:{port}"
    settings = {"TRUSTED_PROXIES": "1", "SERVER_NAME": name, "PUBLIC_URL": f"https://{name}"}
    certify(folder)
    with servers.running_server(folder, **settings) as server:
        (folder / "site.conf").write_text(adapted(plain, port, server.port, folder))
        user = "user root root;" if me() == "root" else ""
        (folder / "nginx.conf").write_text(AROUND.format(folder=folder, user=user))
        process = subprocess.Popen([nginx, "-p", str(folder), "-c", str(folder / "nginx.conf")])
        try:
            wait_until_open(port, process)
            trust = ssl.create_default_context(cafile=folder / "certificate.pem")
            yield Front(plain, port, trust, server)
        finally:
            process.terminate()
            process.wait(20)


def adapted(plain: int, port: int, upstream: int, folder: Path) -> str:
    """The example with our ports, name and certificate; everything else stays."""
    text = (ROOT / "deploy/nginx.conf").read_text()
    for pattern, replacement in {
        r"listen 80;": f"listen 127.0.0.1:{plain};",
        r"listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        r"server 127\.0\.0\.1:8000;": f"server 127.0.0.1:{upstream};",
        r"/etc/letsencrypt/live/charge\.example\.com/fullchain\.pem": str(folder / "certificate.pem"),
        r"/etc/letsencrypt/live/charge\.example\.com/privkey\.pem": str(folder / "key.pem"),
        r"charge\.example\.com": "localhost",
    }.items():
        text, count = re.subn(pattern, replacement, text)
        assert count, pattern
    return text


def certify(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(utcnow() - timedelta(days=1))
        .not_valid_after(utcnow() + timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def wait_until_open(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.connect()
            return
        except OSError:
            assert process.poll() is None, "nginx ended"
            assert time.monotonic() < deadline
            time.sleep(0.05)
        finally:
            connection.close()


@pytest.mark.slow
def test_plain_http_is_sent_to_https(front: Front) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", front.plain, timeout=30)
    connection.request("GET", "/ocpp/?page=2", headers={"Host": "localhost"})
    response = connection.getresponse()

    assert response.status == 301
    assert response.headers["Location"] == "https://localhost/ocpp/?page=2"


@pytest.mark.slow
def test_a_page_comes_over_tls_with_a_cookie_that_is_secure(front: Front) -> None:
    response, page = front.get("/login/")

    assert response.status == 200
    assert b"csrf_token" in page
    assert "Secure" in (response.headers["Set-Cookie"] or "")
    assert response.headers["Strict-Transport-Security"]


@pytest.mark.slow
def test_a_page_knows_where_the_visitor_is_whatever_headers_claim(front: Front) -> None:
    claims = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http", "X-Forwarded-Port": "1"}
    response, page = front.get("/chat/", **claims)

    assert response.status == 200
    assert f"wss://localhost:{front.port}/" in page.decode()
    assert "evil" not in page.decode()


@pytest.mark.slow
def test_a_charger_connects_by_wss_and_is_known_by_its_own_address(front: Front) -> None:
    boot = [2, "1", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}]
    with front.charger("/any/path/NGINX1/") as charger:
        charger.send(json.dumps(boot))
        answer = json.loads(charger.recv(timeout=30))
    with (
        pytest.raises(ConnectionClosedError, match="subprotocols"),
        front.charger("/NGINX2", "ocpp9.9") as other,
    ):
        other.recv(timeout=30)

    assert answer[:2] == [3, "1"]
    assert answer[2]["status"] == "Accepted"
    log = (front.server.logs / "ocpp.log").read_text()
    assert f"NGINX2 from {VISITOR} " in log


@pytest.mark.slow
def test_live_updates_arrive_before_the_stream_ends(front: Front) -> None:
    connection = http.client.HTTPSConnection("localhost", front.port, context=front.trust, timeout=30)
    connection.request("GET", "/ocpp/events/", headers={"Accept": "text/event-stream"})
    response = connection.getresponse()

    assert response.headers["Content-Type"].startswith("text/event-stream")
    assert response.readline()
    connection.close()
