"""Why an origin failed, in a few words for operators.

They are the system's and OpenSSL's, and never those of the HTTP client about a request: what is
asked for, by whom and with what, is in none of them.
"""

import os
import ssl
from collections.abc import Iterator
from socket import gaierror

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorError,
    ConnectionTimeoutError,
    ServerDisconnectedError,
)

from proxy.errors import OriginError


def cause(error: OriginError) -> str:
    """Say what lies behind an error; its own detail, where that says it all."""
    return next(filter(None, map(_said, _behind(error))), error.detail)


def _behind(error: BaseException) -> Iterator[BaseException]:
    """Give what an error was raised from, the first there was before the others."""
    match error:
        case ClientConnectorCertificateError():
            before: BaseException | None = error.certificate_error
        case ClientConnectorError():
            before = error.os_error
        case _:
            before = error.__cause__
    if before is not None:
        yield from _behind(before)
        yield before


def _said(error: BaseException) -> str | None:
    said: str | None = None
    match error:
        case ConnectionTimeoutError():
            said = "no connection in time"
        case ServerDisconnectedError():
            said = "closed the connection without an answer"
        case gaierror():
            said = f"name lookup: {error.strerror}"
        case ssl.SSLCertVerificationError():
            said = f"certificate: {error.verify_message}"
        case ssl.SSLError():
            said = f"TLS: {(error.reason or 'error').lower().replace('_', ' ')}"
        case OSError(errno=int(number)):
            said = os.strerror(number).lower()
        case ClientConnectorError() if str(error.os_error):
            # Its addresses failed for different reasons; each stands with its own.
            said = str(error.os_error)
    return said
