"""Reads key sets where issuers publish them: at a URL, or in a file.

What comes from a URL decides who may watch, so it is asked for as a careful client asks: one URL
and no other (a redirect is an error, whoever could send one could send keys), no cookies, no
password of the environment, a size at which it is given up.
"""

import asyncio
import os
import re
import stat
from concurrent.futures import Future
from hashlib import sha256
from pathlib import Path

import aiohttp

from proxy.background import in_thread
from proxy.credentials.key_source import Document, KeysUnavailable

# Seconds for a connection to be made; for everything, whoever asks sets a bound.
CONNECT_SECONDS = 5.0
# Sixty-four keys with their certificates are far less.
MAX_SIZE = 256 * 1024
MAX_AGE = re.compile(r'(?:^|[,\s])max-age\s*=\s*"?([0-9]{1,9})', re.IGNORECASE)


class UrlReader:
    """Reads a URL; a version is an entity tag (RFC 9110 §8.8.3)."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def read(self, version: str | None) -> Document:
        """GET the document; 304 where it is the same.

        Raises:
            KeysUnavailable: anything else.
        """
        fields = {"Accept": "application/jwk-set+json, application/json;q=0.9"}
        if version is not None:
            fields["If-None-Match"] = version
        try:
            # A session for each: looks are minutes apart, and nothing is to be kept in between.
            async with (
                aiohttp.ClientSession(
                    cookie_jar=aiohttp.DummyCookieJar(),
                    timeout=aiohttp.ClientTimeout(connect=CONNECT_SECONDS),
                    trust_env=False,
                ) as session,
                session.get(self._url, headers=fields, allow_redirects=False) as response,
            ):
                return await _document(response, version)
        except aiohttp.ClientError as error:
            raise KeysUnavailable(_cause(error)) from error


async def _document(response: aiohttp.ClientResponse, version: str | None) -> Document:
    max_age = _max_age(response)
    if response.status == 304 and version is not None:
        return Document(None, version, max_age)
    if response.status != 200:
        raise KeysUnavailable(f"the answer has status {response.status}")
    content = bytearray()
    async for part in response.content.iter_any():
        content += part
        if len(content) > MAX_SIZE:
            raise KeysUnavailable(f"the document has more than {MAX_SIZE} bytes")
    return Document(bytes(content), response.headers.get("ETag"), max_age)


def _max_age(response: aiohttp.ClientResponse) -> float | None:
    """Give how long the answer is fresh from now (RFC 9111 §4.2), where it says so."""
    match = MAX_AGE.search(",".join(response.headers.getall("Cache-Control", ())))
    age = response.headers.get("Age", "")
    spent = int(age) if age.isdecimal() and len(age) < 10 else 0
    return max(0.0, float(match[1]) - spent) if match else None


def _cause(error: aiohttp.ClientError) -> str:
    """Say what went wrong in words that do not hold the URL, whose query may be a secret."""
    match error:
        case TimeoutError():
            return "no connection in time"
        case aiohttp.ClientConnectorCertificateError():
            return "its certificate is not one we trust"
        case aiohttp.ClientConnectorDNSError():
            return "its name is not known"
        case aiohttp.ClientOSError() if error.strerror:
            return f"no connection: {error.strerror}"
    return f"no good answer: {type(error).__name__}"


class FileReader:
    """Reads a file; a version is a digest of its content.

    The file may lie on a network that hangs. Then one read waits, in a thread that the end of the
    process does not wait for, and no other is begun before it is done.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reading: Future[bytes] | None = None

    async def read(self, version: str | None) -> Document:
        """Read the file.

        Raises:
            KeysUnavailable: it cannot be read, is no regular file, or is too large.
        """
        if self._reading is None or self._reading.done():
            self._reading = in_thread(self._content)
        try:
            content = await asyncio.wrap_future(self._reading)
        except OSError as error:
            raise KeysUnavailable(f"the file cannot be read: {error.strerror}") from error
        if len(content) > MAX_SIZE:
            raise KeysUnavailable(f"the file has more than {MAX_SIZE} bytes")
        found = digest(content)
        return Document(None if found == version else content, found)

    def _content(self) -> bytes:
        # To open a pipe would wait for somebody to write to it.
        descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise KeysUnavailable("the file is no regular file")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                return file.read(MAX_SIZE + 1)
        finally:
            os.close(descriptor)


def digest(content: bytes) -> str:
    """Give the version of a file's content."""
    return sha256(content).hexdigest()
