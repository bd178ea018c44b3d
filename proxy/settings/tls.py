"""The certificate of the player port, tried on while the configuration is loaded."""

import ssl
from datetime import datetime
from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator

from proxy.settings.files import FileSetting, LoadedFile
from proxy.settings.material import read_certificate, read_private
from proxy.settings.section import Section


class TlsSettings(Section):
    """A certificate chain and its key, both in PEM form."""

    cert: FileSetting | None = Field(
        None, description="The certificate, and behind it those that lead to a known authority."
    )
    key: FileSetting | None = Field(
        None, validate_default=True, description="The certificate's private key, unencrypted."
    )

    @property
    def life(self) -> tuple[datetime, datetime] | None:
        """From when to when the certificate is valid, in UTC; None where there is none."""
        if self.cert is None:
            return None
        cert = read_certificate(self.cert.content)
        return cert.not_valid_before_utc, cert.not_valid_after_utc

    @field_validator("cert")
    @classmethod
    def _is_one(cls, cert: LoadedFile | None) -> LoadedFile | None:
        if cert is not None:
            read_certificate(cert.content)
        return cert

    @field_validator("key")
    @classmethod
    def _belongs(cls, key: LoadedFile | None, info: ValidationInfo) -> LoadedFile | None:
        public = read_private(key.content).public_key() if key else None
        if "cert" not in info.data:
            return key
        cert: LoadedFile | None = info.data["cert"]
        if (cert is None) != (key is None):
            raise ValueError(f"cert and key go together; {'key' if cert else 'cert'} is missing")
        if cert and key:
            if read_certificate(cert.content).public_key() != public:
                raise ValueError("is not the key of the certificate in cert, or of the first there")
            _try_on(cert.path, key.path)
        return key


def _try_on(cert: Path, key: Path) -> None:
    try:
        # The password keeps OpenSSL from asking for one at the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password="")
    except (OSError, ValueError):
        raise ValueError("and cert are not what OpenSSL would serve; is one too weak?") from None
