"""Manifests in memory: what they are known by, and for how long they may be used.

Values and their caches; how a manifest is had is told in ``manifest_source``.
"""

import time
from dataclasses import dataclass, field

from proxy.manifests.template import Template
from proxy.origin.cache import MicroCache
from proxy.origin.headers import Fields, Validators
from proxy.origin.patience import is_blocking
from proxy.origin.upstream import Target
from proxy.streams import Pace
from proxy.telemetry.metrics import Metrics

# A popular channel's manifests many times over; each entry is small or bounded by the weight.
MAX_TEMPLATES = 10_000
MAX_TEMPLATE_BYTES = 256 * 1024 * 1024
# A second's reloads: of some hundred low-latency renditions, in parts and with delta updates.
MAX_RELOADS = 2_000
MAX_RELOAD_BYTES = 32 * 1024 * 1024
# The part of its life in which a manifest that is asked for is fetched anew, though still fresh: at
# least and at most. Each has its own, or all that were first asked for at a kick-off would be
# fetched in one moment for ever.
AHEAD = (0.05, 0.2)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the origin has under a manifest's name: a template, or its own 4xx or 5xx.

    ``at`` is when it last said so (seconds, of a clock that never goes back), and ``if_error`` how
    long that may be used from then on where it cannot be asked.
    """

    status: int
    headers: Fields
    body: bytes = b""
    template: Template | None = None
    validators: Validators | None = None
    at: float = 0.0
    if_error: float | None = None

    @property
    def pace(self) -> Pace | None:
        """What it says of its tempo."""
        return self.template.pace if self.template else None

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
        self.keeps_any = ttl > 0
        self._metrics = metrics
        self._all = self._micro_cache(ttl, MAX_TEMPLATES, MAX_TEMPLATE_BYTES)
        # What a blocking reload gave is asked for again for a moment and then never: kept with
        # the others, a few low-latency channels would drive all of them out.
        self._reloads = self._micro_cache(ttl, MAX_RELOADS, MAX_RELOAD_BYTES)

    def peek(self, key: ManifestKey) -> Manifest | None:
        """Give a manifest if it is fresh; whoever uses it has to count that."""
        return self.of(key).peek(key)

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
            ahead=_ahead,
            clock=time.monotonic,
            observe=self._metrics.cache_lookup,
        )


def _ahead(key: ManifestKey) -> float:
    least, most = AHEAD
    return least + (most - least) * (hash(key) % 256) / 255


def _weight(manifest: Manifest) -> int:
    template = manifest.template
    return sum(len(chunk) + 64 for chunk in template.chunks) if template else len(manifest.body)
