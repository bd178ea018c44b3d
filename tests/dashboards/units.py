"""Numbers as Grafana writes them, for the units that the dashboards use."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime

BYTES = ("B", "KiB", "MiB", "GiB", "TiB")
THOUSANDS = ("", " K", " Mil", " Bil")
SUFFIX = {"reqps": " req/s", "ops": " ops/s", "cps": " c/s", "cpm": " c/m"}


def text(value: float, unit: str, decimals: int | None = None) -> str:  # noqa: PLR0911  # a table
    """Write a number with its unit.

    Raises:
        ValueError: nobody has said yet how the unit is written.
    """
    if not math.isfinite(value):
        return "-"
    match unit:
        case "percentunit":
            return f"{_digits(value * 100, decimals)}%"
        case "s":
            return _duration(value)
        case "bytes":
            step = min(len(BYTES) - 1, int(math.log(max(1, abs(value)), 1024)))
            return f"{_digits(value / 1024**step, decimals)} {BYTES[step]}"
        case "none":
            return _digits(value, decimals)
        case "dateTimeAsIso":
            return f"{datetime.fromtimestamp(value / 1000, UTC):%Y-%m-%d %H:%M:%S}"
        case "short" | "reqps" | "ops" | "cps" | "cpm":
            step = min(len(THOUSANDS) - 1, int(math.log(max(1, abs(value)), 1000)))
            digits = _digits(value / 1000**step, decimals)
            return digits + THOUSANDS[step] + SUFFIX.get(unit, "")
    kind, _, suffix = unit.partition(":")
    if kind != "suffix":
        raise ValueError(unit)
    return _digits(value, decimals) + suffix


def _duration(value: float) -> str:
    size = abs(value)
    for least, factor, name in (
        (3600, 3600, "h"),
        (60, 60, "min"),
        (1, 1, "s"),
        (1e-3, 1e-3, "ms"),
    ):
        if size >= least:
            return f"{_digits(value / factor, None)} {name}"
    return "0 s" if size == 0 else f"{_digits(value * 1e6, None)} µs"


def _digits(value: float, decimals: int | None) -> str:
    if decimals is not None:
        return f"{value:.{decimals}f}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def ticks(low: float, high: float, unit: str, number: int = 4) -> Sequence[float]:
    """Give round values from ``low`` to at least ``high``, about so many."""
    if unit == "bytes":
        factor = 1024 ** int(math.log(max(1, high), 1024))
        return [mark * factor for mark in ticks(low / factor, high / factor, "none", number)]
    high = high if high > low else low + 1
    span = high - low
    rough = 10 ** math.floor(math.log10(span / number))
    step = next(rough * factor for factor in (1, 2, 5, 10) if span / (rough * factor) <= number)
    count = math.ceil(span / step - 1e-9)
    return [low + step * index for index in range(count + 1)]
