"""The certificate of the player port, tried on while the configuration is loaded."""

import ssl
from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator

from proxy.settings.files import FileSetting, LoadedFile
from proxy.settings.section import Section


class TlsSettings(Section):
    """A certificate chain and its key, both in PEM form."""

    cert: FileSetting | None = Field(
        None, description="The certificate, and behind it those that lead to a known authority."
    )
    key: FileSetting | None = Field(
        None, validate_default=True, description="The certificate's private key, unencrypted."
    )

    @field_validator("key")
    @classmethod
    def _belongs(cls, key: LoadedFile | None, info: ValidationInfo) -> LoadedFile | None:
        if "cert" not in info.data:
            return key
        cert: LoadedFile | None = info.data["cert"]
        if (cert is None) != (key is None):
            raise ValueError(f"cert and key go together; {'key' if cert else 'cert'} is missing")
        if cert and key:
            _try_on(cert.path, key.path)
        return key


def _try_on(cert: Path, key: Path) -> None:
    try:
        # The password keeps OpenSSL from asking for one at the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password="")
    except (OSError, ValueError):
        raise ValueError(
            "cert and key are not a certificate in PEM form and its unencrypted key"
        ) from None
