"""Certificates for servers on loopback, good ones and all kinds of bad ones."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


class Authority:
    """Somebody who signs certificates."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.file = folder / f"{name}.pem"
        certificate = self._signed(self.name, self.key, -DAY, DAY, ca=True)
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def server(
        self, *, names: tuple[str, ...] = ("127.0.0.1", "localhost"), since: timedelta = -DAY,
        until: timedelta = DAY,
    ) -> ssl.SSLContext:  # fmt: skip
        """What a server needs to speak TLS with a certificate of ours."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a server")])
        return self._context(self._signed(subject, key, since, until, names=names), key)

    def self_signed(self) -> ssl.SSLContext:
        """A server that nobody vouches for: it shows the authority's own certificate."""
        certificate = self._signed(self.name, self.key, -DAY, DAY, names=("127.0.0.1",))
        return self._context(certificate, self.key)

    def _signed(self, subject, key, since, until, *, names=(), ca=False) -> x509.Certificate:
        now = datetime.now(UTC)
        building = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + since)
            .not_valid_after(now + until)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if names:
            building = building.add_extension(x509.SubjectAlternativeName(map(_name, names)), critical=False)
        return building.sign(self.key, hashes.SHA256())

    def _context(self, certificate, key) -> ssl.SSLContext:
        file = self.folder / f"{certificate.serial_number}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
