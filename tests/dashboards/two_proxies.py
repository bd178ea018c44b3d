"""An hour of two proxies that never was, of which it is known what every panel has to show.

A line of ``two_proxies.txt`` is a series, then what it was on each target. ``1>8``: a counter that
rose by 1 a second for half an hour, and by 8 a second for the next. ``=1>0``: what a gauge was in
each half. A histogram has such a course for each bucket, of what is in it and not in a smaller one.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp

from tests.dashboards.monitoring import Prometheus, ready, started
from tests.support import needs
from tests.support.redis_server import free_port

END = 1_800_000_000
HALF = 1800
STEP = 60
DAY = 86400
PROXIES = {"a": "a:9090", "b": "b:9090"}
# Who is there besides: a database, watched by the same Prometheus; two proxies that went two hours
# ago; one of a stage. What is recorded is of all proxies of a job.
TARGETS: Mapping[str, Mapping[str, str]] = {
    **{name: {"instance": at, "job": "playgate"} for name, at in PROXIES.items()},
    "db": {"instance": "db:9100", "job": "node"},
    "gone": {"instance": "c:9090", "job": "playgate"},
    "left": {"instance": "d:9090", "job": "playgate"},
    "stage": {"instance": "s:9090", "job": "stage"},
    "jobs": {"job": "playgate"},
    "staged": {"job": "stage"},
}
BUCKETS = ("1.0", "2.0", "3.0", "4.0", "5.0", "6.0", "7.0", "8.0", "9.0", "10.0", "15.0", "+Inf")
LINES = Path(__file__).with_suffix(".txt").read_text().splitlines()
# How the names end of what only rises.
COUNTED = ("_total", "_bucket", "_count")
Point = tuple[int, float]
# Name, labels as they are written, and points.
Series = tuple[str, str, list[Point]]


def world() -> Iterator[Series]:
    """Give all series there are."""
    for line in LINES:
        if line.endswith(" ago"):
            selector, target, value, ago, *_ = line.split()
            name, labels = _selector(selector)
            yield name, _labels(labels, target), [(END - int(ago), float(value))]
        elif "{" in line:
            selector, told = line.split(maxsplit=1)
            name, labels = _selector(selector)
            for target, course in re.findall(r"(\w+) (\S+)", told):
                yield name, _labels(labels, target), _points(course)
        elif line and not line.startswith("#"):
            name, target, *courses = line.split()
            yield from _histogram(name, target, courses)


def at_rest() -> Iterator[Series]:
    """Give the same series of an hour in which nobody asked for anything: nothing was counted."""
    for name, labels, points in world():
        is_counted = name.startswith("playgate:") or name.endswith(COUNTED)
        yield name, labels, [(at, 0.0 if is_counted else value) for at, value in points]


def _selector(text: str) -> tuple[str, str]:
    name, _, labels = text.removesuffix("}").partition("{")
    return name, labels


def _histogram(name: str, target: str, courses: list[str]) -> Iterator[Series]:
    points: list[Point] = []
    for bound, course in zip(BUCKETS, courses, strict=True):
        own = _points(course)
        below = points or [(at, 0.0) for at, _ in own]
        points = [(at, value + more) for (at, value), (_, more) in zip(below, own, strict=True)]
        yield f"{name}_bucket", _labels(f'le="{bound}"', target), points
    yield f"{name}_count", _labels("", target), points


def _labels(own: str, target: str) -> str:
    where = (f'{name}="{value}"' for name, value in TARGETS[target].items())
    return ",".join(filter(None, (own, *where)))


def _points(course: str) -> list[Point]:
    first, _, second = course.removeprefix("=").partition(">")
    one, other = float(first), float(second or first)
    times = range(0, 2 * HALF + 1, STEP)
    if course.startswith("="):
        return [(END - 2 * HALF + at, one if at < HALF else other) for at in times]
    points = [
        (END - 2 * HALF + at, one * min(at, HALF) + other * max(at - HALF, 0)) for at in times
    ]
    # The last minute came early: who looks at the last two scrapes alone sees nothing.
    points[-2] = (points[-2][0], points[-1][1])
    return points


def written(series: Iterable[Series]) -> str:
    """Give series in OpenMetrics' form, each metric's series together."""
    lines: dict[str, list[str]] = {}
    for name, labels, points in series:
        text = [f"{name}{{{labels}}} {value!r} {at}" for at, value in points]
        lines.setdefault(name, []).extend(text)
    return "".join(f"{line}\n" for each in lines.values() for line in each) + "# EOF\n"


@asynccontextmanager
async def remembered(folder: Path, series: Iterable[Series]) -> AsyncIterator[Prometheus]:
    """Run a Prometheus that scrapes nothing and remembers an hour, ``world()`` or ``at_rest()``."""
    install = "apt-get install prometheus"
    promtool = needs.program("promtool", install=install)
    prometheus = needs.program("prometheus", install=install)
    (folder / "hour.txt").write_text(written(series))
    (folder / "prometheus.yml").write_text("{}")
    making = await asyncio.create_subprocess_exec(
        *(promtool, "tsdb", "create-blocks-from", "openmetrics", "--quiet"),
        *(str(folder / "hour.txt"), str(folder / "tsdb")),
    )
    assert await making.wait() == 0
    at = f"127.0.0.1:{free_port()}"
    async with AsyncExitStack() as opened:
        await started(
            opened,
            *(prometheus, f"--config.file={folder / 'prometheus.yml'}"),
            *(f"--storage.tsdb.path={folder / 'tsdb'}", "--storage.tsdb.retention.time=10y"),
            *(f"--web.listen-address={at}", "--log.level=error"),
        )
        session = await opened.enter_async_context(aiohttp.ClientSession())
        await ready(session, f"http://{at}/-/ready")
        yield Prometheus(f"http://{at}", session)
