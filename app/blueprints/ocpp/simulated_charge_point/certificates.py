"""Certificates as a charge point handles them: read, named, asked for (security whitepaper, 3)."""

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def read_certificate(pem: str) -> x509.Certificate | None:
    """The first certificate of a PEM text, None when there is none to read."""
    try:
        return x509.load_pem_x509_certificates(pem.encode())[0]
    except (ValueError, UnsupportedAlgorithm):
        return None


def is_certificate(pem: str) -> bool:
    """Whether a PEM text begins with a certificate."""
    return read_certificate(pem) is not None


def hash_data(certificate: x509.Certificate) -> dict[str, str]:
    """CertificateHashData of a root certificate, which is its own issuer; keys in snake_case."""
    key = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return {
        "hash_algorithm": "SHA256",
        "issuer_name_hash": _sha256(certificate.issuer.public_bytes()),
        "issuer_key_hash": _sha256(key),
        "serial_number": f"{certificate.serial_number:x}",
    }


def _sha256(octets: bytes) -> str:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(octets)
    return digest.finalize().hex()


def signing_request(charge_point_id: str, operator: str) -> str:
    """A PEM signing request for a fresh key: CN is the charge point, O its operator (whitepaper, A02)."""
    # X.509 bounds both names to 64 characters.
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, operator[:64]),
            x509.NameAttribute(NameOID.COMMON_NAME, charge_point_id[:64]),
        ]
    )
    request = x509.CertificateSigningRequestBuilder().subject_name(name)
    signed = request.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()
