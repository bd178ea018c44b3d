"""The certificate of the players' port, which may be renewed while the port is open."""

import ssl
from pathlib import Path

from proxy.settings.tls import TlsSettings


def server_context(cert: Path, key: Path) -> ssl.SSLContext:
    """Give what a server shows a certificate with.

    Raises:
        OSError: the files cannot be read, or do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # An encrypted key was refused with the configuration; never ask at a terminal for its
    # password, should it have been replaced by one since.
    context.load_cert_chain(cert, key, password="")
    return context


class Certificate:
    """Shows each new connection the certificate there is then.

    A context whose files cannot be loaded is left without any, so a renewed certificate gets a
    context of its own, and takes the place of the old one when it is whole.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context
        self._current = context
        # Called for each connection, also for one that names no server.
        context.sni_callback = self._show

    def renew(self, context: ssl.SSLContext) -> None:
        """Show another from now on."""
        self._current = context

    def _show(self, connection: ssl.SSLObject, _name: str | None, _: ssl.SSLContext) -> None:
        connection.context = self._current


def loaded(tls: TlsSettings) -> ssl.SSLContext | None:
    """Load the configured certificate; None where there is none.

    Raises:
        OSError: as for ``server_context``.
    """
    if tls.cert is None or tls.key is None:
        return None
    return server_context(tls.cert.path, tls.key.path)
