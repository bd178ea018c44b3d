"""What a configuration can count, by the names that the rooms have for it: metrics begin there.

More is named than will ever happen, and nothing that cannot.
"""

from collections.abc import Iterable

from proxy.admission.store import OPERATIONS
from proxy.keepalive_stream import RESULTS
from proxy.model import API_ROUTE
from proxy.origin.cache import CacheResult
from proxy.origin.exchange import Result
from proxy.origin.upstream import Origin
from proxy.settings.limits import WhereSettings
from proxy.settings.routes import RouteSettings
from proxy.settings.schema import Settings
from proxy.streams import EVERY_ACCOUNT
from proxy.telemetry.beginnings import Expected, RouteLabels


def expected(settings: Settings) -> Expected:
    """Name what can be counted."""
    routes = tuple(_labels(settings, route) for route in settings.routes)
    # Its heartbeats are refused by what the streams' own routes have.
    everywhere = sorted({name for labels in routes for name in labels.enforced})
    ours = RouteLabels(API_ROUTE, tuple(everywhere))
    return Expected(
        routes=(ours, *routes),
        operations=OPERATIONS,
        cached=tuple(CacheResult),
        kept_alive=RESULTS if settings.events.keepalive else (),
    )


def _labels(settings: Settings, route: RouteSettings) -> RouteLabels:
    limits = settings.limits
    enforced: list[str] = []
    observed: list[str] = []
    observes = limits.mode == "observe"
    (observed if observes else enforced).extend(_sources(settings, route))
    for rule in limits.rules:
        if _is_about(rule.where, route):
            (observed if observes or rule.mode == "observe" else enforced).append(rule.name)
    return RouteLabels(
        route.name,
        enforced=(*enforced, EVERY_ACCOUNT),
        observed=tuple(observed),
        answers=tuple(
            (name, result)
            for name in sorted({Origin.parse(url).name for url in route.origins})
            for result in Result
        ),
    )


def _is_about(where: WhereSettings, route: RouteSettings) -> bool:
    if where.route is not None and route.name not in where.route:
        return False
    return where.content is None or any(each.overlaps(route.path) for each in where.content)


def _sources(settings: Settings, route: RouteSettings) -> Iterable[str]:
    """Name where an account's limit may come from on a route (``policy.limit_for``)."""
    yield "token"
    if any(limit is not None for limit in settings.limits.plans.values()):
        yield "plan"
    yield "default" if route.limits is None else "route"
