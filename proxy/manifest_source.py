"""Manifests as templates: from the cache, or fetched from the origin and compiled.

Where the origin room and the manifests room meet. A template belongs to what it is fetched by
(route, target, public scheme and host) and to the content whose stream asks for it, because the
seals in it do.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from weakref import WeakMethod

from proxy.credentials.bearer import Credentials
from proxy.errors import OriginError, OriginUnreachable
from proxy.learned import Learned
from proxy.manifest_caches import MAX_TEMPLATES, Manifest, ManifestCaches, ManifestKey
from proxy.manifests.compiler import compile_manifest
from proxy.manifests.dash_patch import UNFIT_PATCH
from proxy.manifests.kinds import is_patch_path, recognise
from proxy.manifests.links import Links, Place
from proxy.model import Request
from proxy.origin.cache import CacheResult, Loaded, Loader
from proxy.origin.client import OriginClient
from proxy.origin.exchange import Fetched, Opened
from proxy.origin.freshness import stands_in
from proxy.origin.patience import reload_hold, segment_hold
from proxy.origin.upstream import Target, Upstream
from proxy.query import without
from proxy.routing import Route, RouteTable
from proxy.streams import Pace
from proxy.telemetry.metrics import Metrics

# From here on compiling takes longer than other requests should wait for (some 20 ms): a thread.
LARGE_MANIFEST_BYTES = 256 * 1024
# Told of a patch, dash.js would never refresh again and Shaka never ask for the MPD in its place.
GONE = (404, 410)
# Seconds for which what stands in is taken for fresh: then its origins are asked again.
ASK_AGAIN = 1.0
# What players tell the origin about themselves: different in each request, part of no content.
CMCD_PARAM = "CMCD"
# Where players are steered, and so kept alive.
STEERING_PATH = "/_playgate/steering"


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
        learned: Learned,
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
        self.at_hand = caches.peek  # as ``fresh``, for whoever counts that
        self._learned = learned
        # The same for all who ask for the same, so that a look-up need not compare it.
        self._keys = lru_cache(MAX_TEMPLATES)(_key)

    def key(self, route: Route, request: Request, content: str) -> ManifestKey:
        """Give what the manifest is known by that a request names, for a stream of ``content``."""
        place = self._place(route, request)
        return self._keys(route.name, place, request.scheme, request.host, content)

    def fresh(self, key: ManifestKey) -> Manifest | None:
        """Give a manifest, if that takes no waiting."""
        manifest = self.at_hand(key)
        if manifest is not None:
            self._metrics.cache_lookup(CacheResult.HIT)
        return manifest

    async def manifest(self, route: Route, request: Request, key: ManifestKey) -> Manifest:
        """Give the manifest a request names.

        What is known of its content's tempo says how long the origin may hold a blocking reload.

        Raises:
            OriginError: it could not be had, or is none.
        """

        async def load(stale: Manifest | None) -> Loaded[Manifest]:
            return await self._load(route, request, key, stale)

        # What is news when it is answered is of no use to those who come later.
        again = None if key.blocking else self._again(route, request, key)
        return await self._caches.of(key).get(key, load, again)

    def _again(self, route: Route, request: Request, key: ManifestKey) -> Loader[Manifest]:
        """Give what loads a manifest for those who will ask, as long as this is in force.

        It is kept with the manifest, which outlives a reload that changes nothing of it.
        """
        method, plain = WeakMethod(self._load), request.nobodys(key.target.query)

        async def load(stale: Manifest | None) -> Loaded[Manifest]:
            if (still := method()) is None:
                raise OriginUnreachable
            return await still(route, plain, key, stale)

        return load

    async def segment(self, route: Route, request: Request, pace: Pace | None) -> Opened:
        """Open the segment a request names; ``pace`` is its content's tempo where that is known.

        Raises:
            OriginError: it could not be had.
        """
        with self._metrics.phase("origin"):
            return await self._origins.open(
                self._upstreams[route.name],
                Target(*self._place(route, request)),
                request,
                hold=segment_hold(pace),
            )

    def _place(self, route: Route, request: Request) -> tuple[str, str]:
        """Give the path and query by which the origin knows what a request is for."""
        return route.upstream(request.path), without(request.query, self._private)

    async def _load(
        self, route: Route, request: Request, key: ManifestKey, stale: Manifest | None
    ) -> Loaded[Manifest]:
        """Fetch a manifest; where it cannot be had, what there was may stand in for it."""
        pace = self._learned.tempo(key.content).pace
        hold = reload_hold(pace) if key.blocking else 0.0
        try:
            loaded = await self._fetch(route, request, key, stale, hold)
        except OriginError:
            if stale and (instead := self._instead(stale, pace)):
                return instead
            raise
        if stale and loaded.value.status >= 500:
            return self._instead(stale, pace) or loaded
        return loaded

    def _instead(self, stale: Manifest, pace: Pace | None) -> Loaded[Manifest] | None:
        """Give what there was, where it may stand in for what could not be had.

        A live manifest for a target duration at most; one on demand, for long.
        """
        pace = stale.pace or pace
        left = stale.at + stands_in(pace, stale.if_error) - time.monotonic()
        if left <= 0 or not self._caches.keeps_any:
            return None
        self._metrics.cache_lookup(CacheResult.STALE)
        return Loaded(stale, min(left, ASK_AGAIN))

    async def _fetch(
        self, route: Route, request: Request, key: ManifestKey, stale: Manifest | None, hold: float
    ) -> Loaded[Manifest]:
        validators = stale.validators if stale else None
        with self._metrics.phase("origin"):
            fetched = await self._origins.fetch(
                self._upstreams[route.name],
                key.target,
                request,
                validators,
                hold=hold,
                check=_is_manifest(request.path),
            )
        freshness = fetched.freshness
        if stale is not None and fetched.status == 304:
            manifest = replace(stale, at=time.monotonic())
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
            fetched.status,
            fetched.headers,
            template=template,
            validators=fetched.validators,
            at=time.monotonic(),
            if_error=fetched.freshness.if_error,
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
            private=self._credentials.private_params,
            place=place,
            to_public=route.public,
            seal=self._credentials.tickets.sealer(key.content),
            steering=STEERING_PATH if self._keepalive else None,
        )


def _key(route: str, place: tuple[str, str], scheme: str, host: str, content: str) -> ManifestKey:
    return ManifestKey(route, Target(*place), scheme, host, content)


def _is_manifest(path: str) -> Callable[[Fetched], object]:
    """Give what raises OriginInvalid for what was fetched, if it is no manifest."""
    return lambda fetched: recognise(fetched.content_type, path, fetched.body)


def _shortest(*seconds: float | None) -> float | None:
    """Give the least of those that say something."""
    return min((each for each in seconds if each is not None), default=None)
