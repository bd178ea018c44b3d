"""Manifests as templates: from the cache, or fetched from the origin and compiled.

Where the origin room and the manifests room meet. A template belongs to what it is fetched by
(route, target, public scheme and host) and to the content whose stream asks for it, because the
seals in it do.
"""

import asyncio
import time
from dataclasses import dataclass, field
from functools import lru_cache

from proxy.credentials.bearer import Credentials
from proxy.manifests.compiler import compile_manifest
from proxy.manifests.dash_patch import UNFIT_PATCH
from proxy.manifests.kinds import is_patch_path, recognise
from proxy.manifests.links import Links, Place
from proxy.manifests.template import Template
from proxy.model import Request
from proxy.origin.cache import CacheResult, Loaded, MicroCache
from proxy.origin.client import OriginClient
from proxy.origin.exchange import Fetched, Opened
from proxy.origin.headers import Fields, Validators
from proxy.origin.patience import is_blocking, reload_hold, segment_hold
from proxy.origin.upstream import Target, Upstream
from proxy.query import without
from proxy.routing import Route, RouteTable
from proxy.streams import Pace
from proxy.telemetry.metrics import Metrics

# A popular channel's manifests many times over; each entry is small or bounded by the weight.
MAX_TEMPLATES = 10_000
MAX_TEMPLATE_BYTES = 256 * 1024 * 1024
# A second's reloads: of some hundred low-latency renditions, in parts and with delta updates.
MAX_RELOADS = 2_000
MAX_RELOAD_BYTES = 32 * 1024 * 1024
# From here on compiling takes longer than other requests should wait for (some 20 ms): a thread.
LARGE_MANIFEST_BYTES = 256 * 1024
# Told of a patch, dash.js would never refresh again and Shaka never ask for the MPD in its place.
GONE = (404, 410)
# What players tell the origin about themselves: different in each request, part of no content.
CMCD_PARAM = "CMCD"
# Where players are steered, and so kept alive.
STEERING_PATH = "/_playgate/steering"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the origin has under a manifest's name: a template, or its own 4xx or 5xx."""

    status: int
    headers: Fields
    body: bytes = b""
    template: Template | None = None
    validators: Validators | None = None

    @property
    def fresh_for(self) -> float | None:
        """How long it is worth serving again, by its own word (seconds)."""
        return self.template.fresh_for if self.template else None


@dataclass(frozen=True, slots=True)
class ManifestKey:
    """What a compiled manifest is known by: where it is had, for whom, and of which content.

    ``blocking``: whether the origin is asked to answer when there is news; then the answer is news.
    """

    route: str
    target: Target
    scheme: str
    host: str
    content: str
    blocking: bool = field(init=False, compare=False)
    # A key is kept and looked up at each beat, and a dataclass would be hashed anew each time.
    _hash: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        parts = (self.route, self.target, self.scheme, self.host, self.content)
        object.__setattr__(self, "blocking", is_blocking(self.target.query))
        object.__setattr__(self, "_hash", hash(parts))

    def __hash__(self) -> int:
        return self._hash


class ManifestCaches:
    """Manifests in memory for ``ttl`` seconds at most.

    They are good where routes, tickets and origins are those that they were compiled with.
    """

    def __init__(self, ttl: float, metrics: Metrics) -> None:
        self._metrics = metrics
        self._all = self._micro_cache(ttl, MAX_TEMPLATES, MAX_TEMPLATE_BYTES)
        # What a blocking reload gave is asked for again for a moment and then never: kept with
        # the others, a few low-latency channels would drive all of them out.
        self._reloads = self._micro_cache(ttl, MAX_RELOADS, MAX_RELOAD_BYTES)

    def of(self, key: ManifestKey) -> MicroCache[ManifestKey, Manifest]:
        """Give the cache that a manifest is in."""
        return self._reloads if key.blocking else self._all

    def _micro_cache(
        self, ttl: float, max_entries: int, max_weight: int
    ) -> MicroCache[ManifestKey, Manifest]:
        return MicroCache(
            ttl=ttl,
            max_entries=max_entries,
            max_weight=max_weight,
            weigh=_weight,
            clock=time.monotonic,
            observe=lambda result: self._metrics.cache_lookup(CacheResult(result)),
        )


class ManifestSource:
    """Gets what lies behind the routes."""

    def __init__(
        self,
        routes: RouteTable,
        upstreams: dict[str, Upstream],
        credentials: Credentials,
        origins: OriginClient,
        metrics: Metrics,
        *,
        caches: ManifestCaches,
        keepalive: bool,
    ) -> None:
        self._routes = routes
        self._upstreams = upstreams
        self._credentials = credentials
        self._origins = origins
        self._metrics = metrics
        self._keepalive = keepalive
        self._private = credentials.private_params | {CMCD_PARAM}
        self._caches = caches
        # The same for all who ask for the same, so that a look-up need not compare it.
        self._keys = lru_cache(MAX_TEMPLATES)(ManifestKey)

    def key(self, route: Route, request: Request, content: str) -> ManifestKey:
        """Give what the manifest is known by that a request names, for a stream of ``content``."""
        target = self._target(route, request)
        return self._keys(route.name, target, request.scheme, request.host, content)

    def fresh(self, key: ManifestKey) -> Manifest | None:
        """Give a manifest, if that takes no waiting."""
        return self._caches.of(key).peek(key)

    async def manifest(
        self, route: Route, request: Request, key: ManifestKey, pace: Pace | None
    ) -> Manifest:
        """Give the manifest a request names.

        ``pace`` is what is known of the content's tempo. It says how long the origin may hold a
        blocking reload.

        Raises:
            OriginError: it could not be had, or is none.
        """
        hold = reload_hold(pace) if key.blocking else 0.0

        async def load(stale: Manifest | None) -> Loaded[Manifest]:
            return await self._load(route, request, key, stale, hold)

        return await self._caches.of(key).get(key, load)

    async def segment(self, route: Route, request: Request, pace: Pace | None) -> Opened:
        """Open the segment a request names; ``pace`` is its content's tempo where that is known.

        Raises:
            OriginError: it could not be had.
        """
        with self._metrics.phase("origin"):
            return await self._origins.open(
                self._upstreams[route.name],
                self._target(route, request),
                request,
                hold=segment_hold(pace),
            )

    def _target(self, route: Route, request: Request) -> Target:
        return Target(route.upstream(request.path), without(request.query, self._private))

    async def _load(
        self, route: Route, request: Request, key: ManifestKey, stale: Manifest | None, hold: float
    ) -> Loaded[Manifest]:
        validators = stale.validators if stale else None
        with self._metrics.phase("origin"):
            fetched = await self._origins.fetch(
                self._upstreams[route.name], key.target, request, validators, hold=hold
            )
        freshness = fetched.freshness
        if stale is not None and fetched.status == 304:
            manifest = stale
        elif fetched.status >= 400:
            manifest = Manifest(fetched.status, fetched.headers, fetched.body)
            is_child = key.content != route.content(request)
            if fetched.status in GONE and is_child and is_patch_path(request.path):
                manifest = Manifest(200, (), template=UNFIT_PATCH)
            return Loaded(manifest, 0.0, shareable=freshness.shareable, storable=False)
        else:
            manifest = await self._compiled(route, request, key, fetched)
        return Loaded(
            manifest,
            _shortest(freshness.seconds, None if key.blocking else manifest.fresh_for),
            shareable=freshness.shareable,
            storable=freshness.storable,
        )

    async def _compiled(
        self, route: Route, request: Request, key: ManifestKey, fetched: Fetched
    ) -> Manifest:
        body = fetched.body
        form = recognise(fetched.content_type, request.path, body)
        links = self._links(route, request, key)
        with self._metrics.phase("rewrite"):
            if len(body) < LARGE_MANIFEST_BYTES:
                template = compile_manifest(body, form, links)
            else:
                template = await asyncio.to_thread(compile_manifest, body, form, links)
        return Manifest(
            fetched.status, fetched.headers, template=template, validators=fetched.validators
        )

    def _links(self, route: Route, request: Request, key: ManifestKey) -> Links:
        def place(path: str) -> Place | None:
            target = self._routes.find(request.host, path)
            return target.place(request.host) if target else None

        return Links(
            base=request.path,
            query=key.target.query,
            public_scheme=request.scheme,
            public_host=request.host,
            origin_hosts=frozenset(
                origin.base.host_port_subcomponent or ""
                for origin in self._upstreams[route.name].origins
            ),
            param=self._credentials.ticket_param,
            place=place,
            to_public=route.public,
            seal=self._credentials.tickets.sealer(key.content),
            steering=STEERING_PATH if self._keepalive else None,
        )


def _shortest(*seconds: float | None) -> float | None:
    """Give the least of those that say something."""
    return min((each for each in seconds if each is not None), default=None)


def _weight(manifest: Manifest) -> int:
    template = manifest.template
    return sum(len(chunk) + 64 for chunk in template.chunks) if template else len(manifest.body)
