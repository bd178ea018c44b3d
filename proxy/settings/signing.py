"""Settings of tokens for one URI: URI signing, and the keys of what is encrypted in them."""

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from proxy.algorithms import fitting
from proxy.settings.files import FileSetting
from proxy.settings.keys import exclusive
from proxy.settings.material import check_unguessable, material, read_private, read_secret
from proxy.settings.section import Section, idle
from proxy.settings.types import Flag, ParameterName, Secret

# A key is as long as the cipher it is for (RFC 7518 §4.4, §5); in bytes. With dir that depends on
# the token's `enc`: A128GCM; A256GCM or A128CBC-HS256; A256CBC-HS512.
SECRET_LENGTHS = {"dir": (16, 32, 64), "A128KW": (16,), "A256KW": (32,)}
KeyManagement = Literal[
    "dir", "A128KW", "A256KW", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"
]


class DecryptionKey(Section):
    """A key for claims that come encrypted."""

    algorithm: KeyManagement = Field(description="The `alg` of the encrypted claims (RFC 7518 §4).")
    secret_file: FileSetting | None = Field(
        None, description="A file with the secret; one line end at its end is not part of it."
    )
    secret: Secret | None = Field(
        None,
        validate_default=True,
        description="A128KW, A256KW: 16 or 32 bytes. dir: 16, 32 or 64, as the tokens' `enc` says.",
    )
    private_key_file: FileSetting | None = Field(
        None, description="A file with the private key in PEM form, unencrypted."
    )
    private_key: Secret | None = Field(
        None,
        validate_default=True,
        description="RSA-OAEP-256, ECDH-ES: the private key in PEM form.",
    )

    @field_validator("secret_file", "secret", "private_key_file", "private_key")
    @classmethod
    def _fits(cls, value: Any, info: ValidationInfo) -> Any:
        """Hold material against the algorithm and what else is given, where those are valid."""
        field = str(info.field_name)
        name = field.removesuffix("_file")
        file = info.data.get(f"{name}_file")
        if field == name:
            exclusive(file, value, name)
        algorithm = info.data.get("algorithm")
        if algorithm is None:
            return value
        needed = "secret" if algorithm in SECRET_LENGTHS else "private_key"
        if value is not None:
            if name != needed:
                raise ValueError(f"has no use with {algorithm}, which takes a {needed}")
            _check_material(algorithm, value)
        elif field == needed and file is None and f"{name}_file" in info.data:
            of = f", of {_lengths(algorithm)} bytes" if needed == "secret" else ""
            raise ValueError(
                f"{algorithm} needs {name} or {name}_file{of}; empty is as if left out"
            )
        return value

    @property
    def material(self) -> bytes:
        """The secret or the PEM, wherever it came from."""
        value = self.secret or self.secret_file or self.private_key or self.private_key_file
        assert value is not None  # noqa: S101  # the validator saw to it
        return material(value)


def _check_material(algorithm: str, value: Any) -> None:
    if algorithm in SECRET_LENGTHS:
        secret = read_secret(value)
        length = len(secret)
        if length not in SECRET_LENGTHS[algorithm]:
            reason = f"has {length} bytes; {algorithm} takes {_lengths(algorithm)}"
            raise ValueError(f"{reason}, which are taken as they are: hex or base64 is not decoded")
        check_unguessable(secret, f"`openssl rand -hex {length // 2}` makes one")
    else:
        fitting(algorithm, read_private(material(value)).public_key())


def _lengths(algorithm: str) -> str:
    *rest, last = map(str, SECRET_LENGTHS[algorithm])
    return f"{', '.join(rest)} or {last}" if rest else last


class UriSigningSettings(Section):
    """Signed URIs (RFC 9246)."""

    enabled: Flag = Field(
        default=False, description="Look for the tokens of signed URIs, under a name of their own."
    )
    param: ParameterName = Field(
        "URISigningPackage",
        description="The name of the query parameter, of the path's parameter and of the cookie.",
    )
    decryption_keys: Annotated[tuple[DecryptionKey, ...], Field(max_length=16)] = Field(
        (), description="Keys for claims that come encrypted: cdniip, and the account."
    )

    @field_validator("param")
    @classmethod
    def _is_looked_for(cls, param: str, info: ValidationInfo) -> str:
        if info.data.get("enabled") is False:
            idle(cls, info, param, "with enabled: false")
        return param
