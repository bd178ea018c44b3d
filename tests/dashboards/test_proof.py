"""Dashboards and rules on the real thing: a proxy, Prometheus, Alertmanager, and failures.

Time runs 150 times as fast in the rules (``rules.faster``): what looks back for an hour looks
back for 24 seconds. Everything else is what operators run.
"""

import asyncio
import signal
from pathlib import Path

import pytest

from tests.dashboards import boards, render
from tests.dashboards.boards import BOARDS, PANELS
from tests.dashboards.monitoring import Monitoring, Prometheus, finite, monitoring
from tests.dashboards.rules import ALERTS, RECORDS
from tests.dashboards.scene import Scene, scene
from tests.support.poll import until

pytestmark = pytest.mark.deploy

PACE = 150
# Seconds that panels look back for.
SHOWN = 20
VALUES = boards.values(rate_interval="5s", span=f"{SHOWN}s")
# Seconds of traffic after which none at all is told (PlaygateNoTraffic): two hours.
HABIT = 7200 // PACE + 5
# Seconds that each of this may be waited for where other tests take the machine: rules that look
# back for five see little where seconds go by without a scrape.
PATIENCE = 240
# What a busy machine looks like, whatever the proxy does: slow, or too slow to be scraped.
BUSY = {"PlaygateLatencyBurn", "PlaygateEventLoopLag", "PlaygateDown", "PlaygateAbsent"}
# No failure here leads to these, so promtool alone tries them: a bug; one proxy of two without the
# store; restarts, for which a process would have to be as fast as the rules are; a certificate,
# for nothing here speaks TLS.
UNTRIED = {"PlaygateInternalErrors", "PlaygateDegraded", "PlaygateRestarts", "PlaygateCertificate"}
# What this looks back for goes on for longer than this test, however well things are.
LASTING = {"PlaygateKeysOld"}


@pytest.mark.e2e
async def test_a_healthy_proxy_leaves_no_panel_empty_and_each_failure_is_told(
    tmp_path: Path,
) -> None:
    async with (
        scene(tmp_path) as play,
        monitoring(tmp_path, {"proxy:9090": play.proxy.target}, PACE) as watching,
    ):
        await is_well(watching)
        async with play.keys_away():
            await something_blocks_the_loop_and_the_origin_is_slow(play, watching)
            await the_origin_goes_away(play, watching)
            await too_much_is_asked_for(play, watching)
            await the_store_goes_away(play, watching)
            await viewers_stop_coming(play, watching)
        await the_proxy_falls_over(play, watching)
        await everything_is_well_again(play, watching)
        heard = watching.pager.heard("firing") | {"PlaygateStoreErrors", "PlaygateEventsDropped"}
        assert {alert.name for alert in ALERTS} - heard == UNTRIED
        receivers = {
            (receiver, alert["labels"]["severity"]) for receiver, alert in watching.pager.told
        }
        assert receivers == {("now", "critical"), ("today", "warning")}


async def is_well(watching: Monitoring) -> None:
    prometheus = watching.prometheus

    async def was_seen_for_a_while() -> bool:
        seen = await prometheus.instant("count_over_time(playgate:requests:rate5m[1m])")
        return bool(seen) and seen[0][1][0][1] >= 12

    await until(was_seen_for_a_while, "all rules have had their time", PATIENCE)

    async def none_is_empty() -> bool:
        return not await empty(prometheus)

    try:
        await until(none_is_empty, "every panel has data", PATIENCE)
    except AssertionError:
        pytest.fail(f"without data: {await empty(prometheus)}")
    for name in RECORDS:
        assert finite(await prometheus.instant(name)), f"{name} is empty"
    for board in BOARDS:
        drawn = await render.page(board, prometheus, SHOWN)
        assert drawn.count("<section") == len(tuple(board.panels))
    assert await prometheus.firing() <= BUSY
    assert watching.pager.heard("firing") <= BUSY


async def empty(prometheus: Prometheus) -> list[str]:
    """Ask for everything that dashboards show; give what has no data.

    Raises:
        AssertionError: a query is an error.
    """
    return [
        f"{panel} {query.letter}"
        for panel in PANELS
        for query in panel.queries
        if not finite(await prometheus.of_panel(query, VALUES, SHOWN, 1))
    ]


async def told(watching: Monitoring, *names: str) -> None:
    """Wait until alerts have come through, and see that no panel breaks meanwhile."""

    async def all_told() -> bool:
        return set(names) <= watching.pager.heard("firing")

    try:
        await until(all_told, "told", PATIENCE)
    except AssertionError:
        missing = set(names) - watching.pager.heard("firing")
        pytest.fail(f"never told: {missing}; firing: {await watching.prometheus.firing()}")
    await empty(watching.prometheus)


async def too_much_is_asked_for(play: Scene, watching: Monitoring) -> None:
    viewers = play.viewers
    viewers.crowds, viewers.greed, viewers.forgery = 0.8, 20, 0.4
    await told(watching, "PlaygateRefusalSpike", "PlaygateAuthFailureSpike")


async def the_store_goes_away(play: Scene, watching: Monitoring) -> None:
    """Also what follows from it, which Alertmanager keeps to itself."""
    play.viewers.forgery = 0.01
    async with play.store_away():
        await told(watching, "PlaygateStoreDown")

        async def kept_back() -> bool:
            return {"PlaygateStoreErrors", "PlaygateEventsDropped"} <= await watching.inhibited()

        await until(kept_back, "Alertmanager keeps back what follows from the outage", PATIENCE)
    play.viewers.crowds = 0


async def something_blocks_the_loop_and_the_origin_is_slow(
    play: Scene, watching: Monitoring
) -> None:
    async def stumble() -> None:
        await play.proxy.stumble(0.4)
        await asyncio.sleep(0.4)

    async with play.origin_slow(), play.meanwhile(stumble):
        await told(watching, "PlaygateEventLoopLag", "PlaygateLatencyBurn")
    play.proxy.send(signal.SIGCONT)


async def the_origin_goes_away(play: Scene, watching: Monitoring) -> None:
    async with play.origin_away():
        burning = ("PlaygateAvailabilityBurn", "PlaygateEntriesBurn")
        await told(watching, "PlaygateOriginDown", "PlaygateOriginErrors", *burning)


async def viewers_stop_coming(play: Scene, watching: Monitoring) -> None:
    play.proxy.write_config(listen={"prot": 80})
    play.proxy.send(signal.SIGHUP)

    async def there_was_traffic_for_long_enough() -> bool:
        seen = await watching.prometheus.instant("count_over_time(playgate:requests:rate5m[1d])")
        return seen[0][1][0][1] > HABIT

    await until(there_was_traffic_for_long_enough, "it would be missed", PATIENCE)
    await play.viewers.leave()
    async with play.proxy.connections_piled_up():
        await told(watching, "PlaygateNoTraffic", "PlaygateFileDescriptors")
    await told(watching, "PlaygateKeysOld", "PlaygateReloadFailed")


async def the_proxy_falls_over(play: Scene, watching: Monitoring) -> None:
    await play.proxy.kill()
    await told(watching, "PlaygateDown", "PlaygateAbsent")


async def everything_is_well_again(play: Scene, watching: Monitoring) -> None:
    play.proxy.write_config()
    await play.proxy.start()
    play.viewers.come()
    expected = {
        (alert.name, alert.labels.get("window", ""))
        for alert in ALERTS
        if alert.name in watching.pager.heard("firing") - LASTING
        # Of promises, what looks back for longer than this test is still spent.
        and alert.labels.get("window", "1h") == "1h"
    }

    def resolved() -> set[tuple[str, str]]:
        alerts = [alert for _, alert in watching.pager.told if alert["status"] == "resolved"]
        return {(a["labels"]["alertname"], a["labels"].get("window", "")) for a in alerts}

    async def all_resolved() -> bool:
        return expected <= resolved()

    try:
        # Entries may be slow for as long as other tests take the machine.
        await until(all_resolved, "resolved", PATIENCE)
    except AssertionError:
        pytest.fail(f"never resolved: {expected - resolved()}")
