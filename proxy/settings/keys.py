"""The keys that tokens are verified with, checked against the algorithm each is tied to.

A key that is too weak, of another type, or half of a pair with a stranger is refused when the
configuration is loaded, not when the first token comes. Key material is never part of a message.
"""

from typing import Annotated, Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import Field, SecretStr, StringConstraints, ValidationInfo, field_validator

from proxy.algorithms import SECRET_LENGTHS, Algorithm, PublicKey, fitting
from proxy.settings.files import FileSetting, LoadedFile
from proxy.settings.material import (
    check_unguessable,
    material,
    read_private,
    read_public,
    read_secret,
)
from proxy.settings.section import Section
from proxy.settings.types import NonEmpty, Secret, distinct, not_empty, one_or_many

PublicPem = Annotated[str, StringConstraints(min_length=1, max_length=16 * 1024)]


def check_secret(value: SecretStr | LoadedFile, least: int, purpose: str) -> None:
    """Refuse a secret that is shorter than what it protects, or could be guessed.

    Raises:
        ValueError: it has fewer than ``least`` bytes, or is none.
    """
    secret = read_secret(value)
    if len(secret) < least:
        raise ValueError(f"has {len(secret)} bytes; {purpose} needs at least {least}")
    check_unguessable(secret)


def exclusive(file: LoadedFile | None, inline: object, name: str) -> None:
    """Refuse a setting that is given in the file and beside it.

    Raises:
        ValueError: both are there.
    """
    if file is not None and inline is not None:
        raise ValueError(f"{name} and {name}_file exclude each other")


# One or several; tokens of nobody else are verified with what they stand beside.
Issuers = Annotated[tuple[NonEmpty, ...], not_empty, distinct, one_or_many]


class AuthKey(Section):
    """One key: a secret shared with the issuer, or the public half of the issuer's pair."""

    kid: NonEmpty | None = Field(
        None,
        description="The key's id. A token that names it in its header is verified with this key"
        " alone; a key without kid serves tokens whose kid no key bears.",
    )
    algorithm: Algorithm = Field(
        description="The one algorithm this key is used with, whatever a token claims."
    )
    issuer: Issuers | None = Field(
        None,
        description="The `iss` of the tokens it is for, one or several; null: it verifies any"
        " issuer's.",
    )
    secret_file: FileSetting | None = Field(
        None, description="A file with the secret; one line end at its end is not part of it."
    )
    secret: Secret | None = Field(
        None,
        validate_default=True,
        description="HS256, HS384, HS512: the secret shared with the issuer, at least 32, 48 or"
        " 64 bytes long.",
    )
    public_key_file: FileSetting | None = Field(
        None, description="A file with the public key in PEM form."
    )
    public_key: PublicPem | None = Field(
        None,
        validate_default=True,
        description="RS*, PS*, ES*, EdDSA: the issuer's public key in PEM form.",
    )
    private_key_file: FileSetting | None = Field(
        None, description="A file with the private key in PEM form, unencrypted."
    )
    private_key: Secret | None = Field(
        None,
        validate_default=True,
        description="The private key in PEM form; only `playgate token` uses it.",
    )

    @field_validator(
        *("secret_file", "secret"),
        *("public_key_file", "public_key"),
        *("private_key_file", "private_key"),
    )
    @classmethod
    def _fits(cls, value: Any, info: ValidationInfo) -> Any:
        """Hold material against the algorithm and what else is given, where those are valid."""
        algorithm = info.data.get("algorithm")
        field = str(info.field_name)
        name = field.removesuffix("_file")
        file = info.data.get(f"{name}_file")
        if field == name:
            exclusive(file, value, name)
        if algorithm is None:
            return value
        needed = "secret" if algorithm in SECRET_LENGTHS else "public_key"
        if value is not None:
            if (name == "secret") != (needed == "secret"):
                raise ValueError(f"has no use with {algorithm}, which takes a {needed}")
            _check_material(name, value, info.data)
        elif field == needed and file is None and f"{name}_file" in info.data:
            raise ValueError(f"{algorithm} needs {name} or {name}_file; empty is as if left out")
        return value

    @property
    def shared_secret(self) -> bytes | None:
        """The secret of an HMAC key; None for a key pair."""
        return _either(self.secret, self.secret_file)

    @property
    def public_pem(self) -> str | None:
        """The public key in PEM form; None for an HMAC key."""
        pem = _either(self.public_key, self.public_key_file)
        return None if pem is None else _pem(pem)

    @property
    def private_pem(self) -> str | None:
        """The private key in PEM form; None where tokens are only verified."""
        pem = _either(self.private_key, self.private_key_file)
        return None if pem is None else _pem(pem)


def _check_material(name: str, value: Any, data: dict[str, Any]) -> None:
    algorithm = data["algorithm"]
    match name:
        case "secret":
            check_secret(value, SECRET_LENGTHS[algorithm], algorithm)
        case "public_key":
            fitting(algorithm, read_public(material(value)))
        case _:
            public = _either(data.get("public_key"), data.get("public_key_file"))
            ours = fitting(algorithm, read_private(material(value)).public_key())
            if public is not None and _spki(ours) != _spki(fitting(algorithm, read_public(public))):
                raise ValueError("is not the other half of the public key")


def _spki(key: PublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _either(inline: SecretStr | str | None, file: LoadedFile | None) -> bytes | None:
    value = inline if inline is not None else file
    return None if value is None else material(value)


def _pem(content: bytes) -> str:
    # What stands around the armour is commentary in whatever encoding (RFC 7468 §2).
    return content.decode("ascii", errors="ignore")
