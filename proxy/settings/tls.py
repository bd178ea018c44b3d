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
            _server_context(cert.path, key.path)
        return key

    @property
    def enabled(self) -> bool:
        """Whether the player port speaks TLS."""
        return self.cert is not None

    def context(self) -> ssl.SSLContext:
        """Make the server's TLS context from the files as they are now.

        Raises:
            ValueError: there are none, or they do not belong together any more.
        """
        if self.cert is None or self.key is None:
            raise ValueError("no certificate is configured")
        return _server_context(self.cert.path, self.key.path)


def _server_context(cert: Path, key: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # The password keeps OpenSSL from asking for one at the terminal.
        context.load_cert_chain(cert, key, password="")
    except (OSError, ValueError):
        raise ValueError(
            "cert and key are not a certificate in PEM form and its unencrypted key"
        ) from None
    return context
