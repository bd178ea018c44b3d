"""What can be counted is there at 0 before it is counted first."""

from pathlib import Path

import jwt
import pytest

from proxy.admission.store import OPERATIONS, Store
from proxy.counting import expected
from proxy.model import Kind
from proxy.settings.load import from_mapping
from proxy.telemetry.beginnings import CODES, MOST, OUTCOMES
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.notes import Notes
from proxy.trace import Trace
from tests.conftest import Tell
from tests.support.good_secrets import secret
from tests.support.playlists import serve_channels
from tests.support.stack import JWT_SECRET, Stack

RULES = [
    {"name": "one-ppv", "max": 1, "where": {"content": "/live/two/**"}},
    {"name": "elsewhere", "max": 1, "where": {"route": "open"}},
    {"name": "watched", "max": 1, "where": {"content": "/live/one/**"}, "mode": "observe"},
]


def series(metrics: Metrics, name: str, *labels: str) -> dict[tuple[str, ...], float]:
    """Give a metric's values by those of its labels."""
    return {
        tuple(sample.labels[label] for label in labels): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == name
    }


def refusals(metrics: Metrics) -> dict[tuple[str, ...], float]:
    return series(metrics, "playgate_refusals_total", "route", "code", "rule")


def limits(metrics: Metrics, route: str) -> set[str]:
    """Name what may refuse one stream too many on a route."""
    return {rule for at, code, rule in refusals(metrics) if (at, code) == (route, "stream_limit")}


async def test_nothing_that_is_refused_or_fails_begins_a_series() -> None:
    async with Stack(limits={"default": 1, "plans": {"one": 1}, "rules": RULES}) as stack:
        serve_channels(stack.origin, "one", "two", "three")
        metrics = stack.service.metrics
        there = refusals(metrics)
        went = series(metrics, "playgate_requests_total", "route", "kind", "outcome")
        assert not any(there.values())
        one, two = "/live/one/master.m3u8", "/live/two/master.m3u8"
        entry = await stack.watch(one)
        for account, claims in (("alice", {}), ("bob", {"plan": "one"}), ("carl", {"limit": 1})):
            await stack.ask(f"{one}?token={stack.token(account, **claims)}")
            await stack.ask(f"{two}?token={stack.token(account, **claims)}", agent="other/1")
        roomy = {"limit": 3}
        await stack.ask(f"{two}?token={stack.token('dora', **roomy)}")
        await stack.ask(f"/live/two/low/index.m3u8?token={stack.token('dora', **roomy)}", agent="x")
        await stack.ask(one)
        await stack.ask(f"{one}?token=nonsense")
        past = jwt.encode({"sub": "alice", "exp": 1}, JWT_SECRET, algorithm="HS256")
        await stack.ask(f"{one}?token={past}")
        await stack.ask(f"{one}?_sid={entry.ticket()[:-4]}")
        await stack.ask("/live/nowhere/master.m3u8?token=" + stack.token("eve"))
        await stack.ask("/nobody/knows")
        await stack.ask("/_playgate/heartbeat", method="POST")
        await stack.ask("/_playgate/nothing")
        stopped = f"/_playgate/streams/{entry.headers['Playgate-Stream']}?token={stack.token()}"
        assert (await stack.ask(stopped, method="DELETE")).status == 204
        await stack.ask(f"/live/one/{entry.uris()[0]}")
        told = {(code, rule) for (_, code, rule), number in refusals(metrics).items() if number}
        assert {code for code, _ in told} >= {
            *("token_missing", "token_invalid", "token_expired", "ticket_invalid"),
            *("stream_limit", "stream_ended"),
        }
        assert {rule for _, rule in told} == {"", "default", "plan", "token", "one-ppv"}
        assert refusals(metrics).keys() == there.keys()
        now = series(metrics, "playgate_requests_total", "route", "kind", "outcome")
        assert now.keys() == went.keys()


async def test_a_route_begins_with_what_may_refuse_on_it_and_nothing_else() -> None:
    live = {"limits": 2}
    settings = {"plans": {}, "rules": RULES}
    async with Stack(limits=settings, live=live) as stack:
        metrics = stack.service.metrics
        assert limits(metrics, "live") == {"token", "route", "one-ppv", "account"}
        assert limits(metrics, "open") == {"token", "default", "elsewhere", "account"}
        assert limits(metrics, "playgate") == limits(metrics, "live") | limits(metrics, "open")
        observed = series(metrics, "playgate_observed_total", "route", "rule")
        assert observed == {("live", "watched"): 0}
        entries = series(metrics, "playgate_request_seconds_count", "route", "kind")
        assert entries == {("live", "entry"): 0, ("open", "entry"): 0}
    async with Stack(limits={"mode": "observe", "rules": RULES}) as stack:
        metrics = stack.service.metrics
        assert limits(metrics, "live") == {"account"}
        observed = series(metrics, "playgate_observed_total", "route", "rule")
        names = {"token", "plan", "default", "one-ppv", "watched"}
        assert {rule for route, rule in observed if route == "live"} == names


async def test_what_a_reload_adds_begins_at_once_too(tmp_path: Path) -> None:
    async with Stack(folder=tmp_path) as stack:
        metrics = stack.service.metrics
        assert "one-ppv" not in limits(metrics, "live")
        extra = {"name": "extra", "path": "/extra/**", "origins": [stack.origin.url]}
        routes = [*stack.mapping()["routes"], extra]
        assert (await stack.reload(limits={"rules": RULES}, routes=routes)).status == 200
        assert "one-ppv" in limits(metrics, "live")
        assert {code for route, code, _ in refusals(metrics) if route == "extra"} == {
            *CODES,
            "stream_limit",
        }


def many(number: int) -> Metrics:
    """Give the metrics of a configuration of so many routes."""
    settings = from_mapping(
        {
            "auth": {"keys": [{"algorithm": "HS256", "secret": secret("j")}]},
            "tickets": {"secret": secret("t")},
            "limits": {"rules": [{"name": "one-ppv", "max": 1}]},
            "routes": [
                {"name": f"route-{n}", "path": f"/live/{n}/**", "origins": ["http://origin"]}
                for n in range(number)
            ],
        },
        Path(),
    )
    metrics = Metrics("0", ())
    metrics.expect(expected(settings))
    metrics.expect(expected(settings))  # as a reload does
    return metrics


def number_of(metrics: Metrics) -> int:
    return sum(len(family.samples) for family in metrics.registry.collect())


def test_thousands_of_routes_begin_when_they_are_met_once_there_are_enough(tell: Tell) -> None:
    few, lots = many(1), many(4000)
    each = number_of(many(2)) - number_of(few)
    assert number_of(few) < MOST < number_of(lots) < MOST + number_of(few) + each
    last = "route-3999"
    assert not limits(lots, last)
    lots.request(Notes(Trace("id", None), route=last, kind=Kind.SEGMENT), 0.0, 0.1)
    assert "one-ppv" in limits(lots, last)
    failures = series(lots, "playgate_requests_total", "route", "kind", "outcome")
    assert {outcome for route, kind, outcome in failures if (route, kind) == (last, "entry")} == {
        *OUTCOMES
    }
    tell(f"metrics: a route begins with {each} series; 4,000 routes with {number_of(lots)}")


@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text;version=1.0.0"])
def test_no_series_says_when_another_began(accept: str) -> None:
    assert b"_created" not in many(1).exposition(accept)[0]


async def test_what_can_be_asked_of_a_store_is_known_by_name_and_measured_in_memory() -> None:
    asked = {name for name in vars(Store) if not name.startswith("_")}
    assert set(OPERATIONS) == asked - {"close", "question", "listeners", "hear"}
    async with Stack() as stack:
        serve_channels(stack.origin, "one")
        calls = series(stack.service.metrics, "playgate_store_seconds_count", "op")
        assert {op for (op,) in calls} == set(OPERATIONS)
        assert (await stack.watch("/live/one/master.m3u8")).status == 200
        now = series(stack.service.metrics, "playgate_store_seconds_count", "op")
        assert now["decide",] == calls["decide",] + 1
        failed = series(stack.service.metrics, "playgate_store_errors_total", "op")
        assert failed == dict.fromkeys(now, 0)
