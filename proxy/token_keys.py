"""The keys of the configuration: those that stay, and sets that are kept fresh while it serves."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import urlsplit

import structlog

from proxy.credentials.key_readers import FileReader, UrlReader, digest
from proxy.credentials.key_source import Document, KeySource, Reader, SourceRules
from proxy.credentials.keys import Key, KeyRing
from proxy.settings.credentials import AuthSettings
from proxy.settings.key_sets import KeySetFile, KeySetUrl
from proxy.settings.keys import AuthKey

# Seconds between two looks at a file: it costs next to nothing, and who replaces one by hand waits.
FILE_REFRESH = 5.0
# How long the start waits for the first looks, so that those who come at once find keys; an issuer
# that is away does not keep the proxy from starting.
START_SECONDS = 3.0

log = structlog.get_logger("playgate")


def fixed_keys(auth: AuthSettings) -> Iterator[Key]:
    """Build the keys that stay as they are, in the order of the configuration."""
    for key in auth.keys:
        if not isinstance(key, AuthKey):
            continue
        issuers = key.issuer or ()
        if key.shared_secret is not None:
            yield Key.symmetric(key.algorithm, key.shared_secret, key.kid, issuers)
        elif key.public_pem is not None:
            yield Key.asymmetric(
                key.algorithm,
                public=key.public_pem,
                private=key.private_pem,
                kid=key.kid,
                issuers=issuers,
            )


class TokenKeys:
    """All keys that tokens are verified with, kept fresh from ``start`` to ``close``.

    ``on_change`` is called whenever a set has other keys than before.
    """

    def __init__(self, auth: AuthSettings, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self.sources = tuple(self._sources(auth))
        self.ring = KeyRing(tuple(fixed_keys(auth)), self.sources)
        self._tasks: list[asyncio.Task[None]] = []

    def _sources(self, auth: AuthSettings) -> Iterator[KeySource]:
        names: set[str] = set()
        for key in auth.keys:
            if isinstance(key, AuthKey):
                continue
            name = _named(key, names)
            names.add(name)
            rules = SourceRules(
                key.algorithms,
                key.issuer or (),
                key.refresh if isinstance(key, KeySetUrl) else FILE_REFRESH,
            )
            source = KeySource(name, _reader(key), rules, self)
            if isinstance(key, KeySetFile):
                content = key.jwks_file.content
                source.adopt(Document(content, digest(content)))
            yield source

    async def start(self) -> None:
        """Have the first look at each set, wait for it a little, and go on looking."""
        self._tasks = [asyncio.create_task(source.keep_fresh()) for source in self.sources]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                await asyncio.gather(*(source.refresh() for source in self.sources))

    async def close(self) -> None:
        """Look no more. May be called again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for source in self.sources:
            await source.close()

    def ages(self) -> Mapping[str, float | None]:
        """Give how old each set is that is kept fresh (seconds); None where none was had yet."""
        return {source.name: source.age for source in self.sources}

    def changed(self, source: str, kids: tuple[str | None, ...], skipped: tuple[str, ...]) -> None:
        """Log the keys there are now, by their ids."""
        log.info("token keys", source=source, kids=kids, skipped=skipped)
        self._on_change()

    def failed(self, source: str, reason: str) -> None:
        """Log that a set cannot be had; what was had before is used on."""
        log.warning("token keys cannot be had", source=source, cause=reason)

    def recovered(self, source: str) -> None:
        """Log that it can be had again."""
        log.info("token keys can be had again", source=source)


def _reader(entry: KeySetUrl | KeySetFile) -> Reader:
    if isinstance(entry, KeySetUrl):
        return UrlReader(entry.jwks_url)
    return FileReader(entry.jwks_file.path)


def _named(entry: KeySetUrl | KeySetFile, taken: set[str]) -> str:
    """Name a set for metrics and logs: by host and path, or file; a query may be a secret."""
    if isinstance(entry, KeySetUrl):
        parts = urlsplit(entry.jwks_url)
        name = f"{parts.netloc}{parts.path}"
    else:
        name = entry.jwks_file.name
    names = (name, *(f"{name}#{number}" for number in range(2, len(taken) + 2)))
    return next(each for each in names if each not in taken)
