"""Configurations the tests begin with, and the key pairs they name."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

PrivateKey = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
)

# Eleven lines, everything that is needed and nothing else.
MINIMAL = """\
auth:
  keys:
    - kid: main
      algorithm: HS256
      secret: 0123456789abcdef0123456789abcdef
tickets:
  secret: fedcba9876543210fedcba9876543210
routes:
  - name: live
    path: /live/**
    origins: [http://origin:8000]
"""


def minimal(**over: object) -> dict[str, object]:
    """The same as values, with other sections laid over it."""
    return {
        "auth": {
            "keys": [
                {"kid": "main", "algorithm": "HS256", "secret": "0123456789abcdef0123456789abcdef"}
            ]
        },
        "tickets": {"secret": "fedcba9876543210fedcba9876543210"},
        "routes": [{"name": "live", "path": "/live/**", "origins": ["http://origin:8000"]}],
        **over,
    }


@dataclass(frozen=True)
class Pair:
    """A key pair in PEM form."""

    public: str
    private: str

    @classmethod
    def of(cls, key: PrivateKey) -> "Pair":
        return cls(
            key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
            pem(key),
        )


def pem(key: PrivateKey, password: str | None = None) -> str:
    encryption: KeySerializationEncryption = NoEncryption()
    if password:
        encryption = BestAvailableEncryption(password.encode())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


def certificate(
    key: ec.EllipticCurvePrivateKey,
    begin: datetime | None = None,
    life: timedelta = timedelta(days=7),
) -> str:
    """A self-signed certificate for a key, in PEM form; valid from now on if nothing is said."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "playgate.test")])
    begin = begin or datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + life)
        .sign(key, SHA256())
        .public_bytes(Encoding.PEM)
        .decode()
    )
