"""The keys of the configuration: those that stay, and sets that are kept fresh while it serves."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one configuration; ``sets`` are those that change, by where each is."""

    ring: KeyRing
    sets: Mapping[str, KeySource]

    @property
    def sources(self) -> tuple[KeySource, ...]:
        """The sets, in the order of the configuration."""
        return tuple(self.sets.values())


class TokenKeys:
    """All keys that tokens are verified with, kept fresh from ``start`` to ``close``.

    Those of another configuration are drafted, begun, and adopted; or not adopted. ``on_change`` is
    called whenever a set has other keys than before.
    """

    def __init__(self, auth: AuthSettings, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._kept_fresh: dict[KeySource, asyncio.Task[None]] = {}
        self._now = Keys(KeyRing(()), {})
        self._now = self.drafted(auth)

    @property
    def ring(self) -> KeyRing:
        """The keys in force."""
        return self._now.ring

    @property
    def sources(self) -> tuple[KeySource, ...]:
        """The sets in force."""
        return self._now.sources

    def drafted(self, auth: AuthSettings) -> Keys:
        """Build the keys of a configuration; sets that are in force are the same in it."""
        entries = [key for key in auth.keys if not isinstance(key, AuthKey)]
        staying = {_place(entry) for entry in entries} & self._now.sets.keys()
        names = {self._now.sets[place].name for place in staying}
        sets: dict[str, KeySource] = {}
        for entry in entries:
            place = _place(entry)
            source = sets[place] = self._source(entry, self._now.sets.get(place), names)
            names.add(source.name)
        return Keys(KeyRing(tuple(fixed_keys(auth)), tuple(sets.values())), sets)

    def _source(
        self, entry: KeySetUrl | KeySetFile, before: KeySource | None, names: set[str]
    ) -> KeySource:
        """Give the set of an entry: the one that was ``before``, unless its rules are others."""
        rules = _rules(entry)
        source = before
        if source is None or source.rules != rules:
            name = _named(entry, names) if before is None else before.name
            source = KeySource(name, _reader(entry), rules, self)
        if isinstance(entry, KeySetFile):
            content = entry.jwks_file.content
            source.adopt(Document(content, digest(content)))
        elif before is not None and source is not before:
            source.inherit(before)
        return source

    async def start(self) -> None:
        """Begin to keep the sets fresh."""
        await self.begin(self._now)

    async def begin(self, keys: Keys) -> None:
        """Have the first look at each set that is new, wait for it a little, and go on looking."""
        new = [source for source in keys.sources if source not in self._kept_fresh]
        for source in new:
            self._kept_fresh[source] = asyncio.create_task(source.keep_fresh())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                await asyncio.gather(*(source.refresh() for source in new))

    def adopt(self, keys: Keys) -> None:
        """Have other keys in force from now on."""
        self._now = keys

    async def tidy(self) -> None:
        """Look no more at sets that were begun and are not in force."""
        await self._end(source for source in [*self._kept_fresh] if source not in self.sources)

    async def close(self) -> None:
        """Look no more at any. May be called again."""
        await self._end([*self._kept_fresh])

    async def _end(self, sources: Iterable[KeySource]) -> None:
        ended = {source: self._kept_fresh.pop(source) for source in sources}
        for task in ended.values():
            task.cancel()
        await asyncio.gather(*ended.values(), return_exceptions=True)
        for source in ended:
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


def _place(entry: KeySetUrl | KeySetFile) -> str:
    return entry.jwks_url if isinstance(entry, KeySetUrl) else str(entry.jwks_file.path)


def _rules(entry: KeySetUrl | KeySetFile) -> SourceRules:
    refresh = entry.refresh if isinstance(entry, KeySetUrl) else FILE_REFRESH
    return SourceRules(entry.algorithms, entry.issuer or (), refresh)


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
