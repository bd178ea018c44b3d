"""Production's two slots: which one players are led to, and how they are led to the other.

A swap changes one Service, once. Before it, the other slot is made as large as the one in use;
after it, the one that players left goes on running, so nothing that is under way is cut off, and
the way back is another swap.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shipping.cluster import ShipError, get, kubectl, namespace_of, tell
from shipping.rolls import roll

SLOTS = ("blue", "green")
# The Service that players come in by, and what the slots' objects are called before their suffix.
DOOR = "playgate"
# Nodes may have to be made first.
GROW_SECONDS = 900


def live_slot(namespace: str) -> str:
    """Say which slot players are led to; nothing before the first swap."""
    door = get(namespace, "service", DOOR)
    return str(door["spec"]["selector"].get("slot", "")) if door else ""


def offline(copy: Path, *, every: float) -> str:
    """Roll the slot that players are not led to; gives its name."""
    overlay = copy / "overlays/production-offline"
    live = live_slot(namespace_of(overlay / SLOTS[0]))
    slot = next(slot for slot in SLOTS if slot != live)
    tell(f"players are led to {live or 'no slot'}; rolling {slot}")
    roll(overlay / slot, every=every)
    return slot


def swap(copy: Path, slot: str, image: str, *, watch: float, every: float) -> None:
    """Lead players to a slot, if it runs the image that is meant.

    It is taken back by itself should most of the new proxies fail within ``watch`` seconds, in
    which they are looked at every ``every`` seconds.

    Raises:
        ShipError: players are where they were.
    """
    namespace = namespace_of(copy / "overlays/production" / slot)
    live = live_slot(namespace)
    if live == slot:
        tell(f"players are led to {slot} already")
        return
    name = f"{DOOR}-{slot}"
    expect(namespace, name, image)
    wanted = ready(namespace, f"{DOOR}-{live}") if live else 0
    with kept_large(namespace, name, wanted, every=every) as size:
        tell(f"{name} runs {size} proxies; leading players there")
        lead(copy, slot)
        if not holds(namespace, name, size, watch=watch, every=every) and live:
            lead(copy, live)
            raise ShipError(f"most proxies of {name} failed; players are led to {live} again")
    tell(f"players are led to {slot}" + (f"; the way back: ship.py swap {live}" if live else ""))


def expect(namespace: str, name: str, image: str) -> None:
    """Make sure that a slot runs, and what is meant.

    Raises:
        ShipError: it does not.
    """
    deployment = get(namespace, "deployment", name)
    if not deployment:
        raise ShipError(f"{name} does not run: ship.py offline")
    runs = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    if image and runs != image:
        raise ShipError(f"{name} runs {runs}, not {image}: another version has come since")
    kubectl("-n", namespace, "rollout", "status", f"deployment/{name}", "--timeout=1m")


@contextmanager
def kept_large(namespace: str, name: str, wanted: int, *, every: float) -> Iterator[int]:
    """Have a slot run so many proxies at least, and give how many that is.

    The autoscaler has kept it small, for nobody was there. Once players are, it knows better.

    Raises:
        ShipError: they did not come.
    """
    spec = get(namespace, "hpa", name)["spec"]
    least = spec["minReplicas"]
    size = max(least, min(wanted, spec["maxReplicas"]))
    try:
        set_least(namespace, name, size)
        give_up = time.monotonic() + GROW_SECONDS
        while (there := ready(namespace, name)) < size:
            if time.monotonic() > give_up:
                raise ShipError(
                    f"{name} has {there} of {size} proxies; players stay where they are"
                )
            time.sleep(every)
        yield size
    finally:
        set_least(namespace, name, least)


def set_least(namespace: str, name: str, least: int) -> None:
    """Set the least number of proxies that the autoscaler leaves a slot."""
    patch = json.dumps({"spec": {"minReplicas": least}})
    kubectl("-n", namespace, "patch", "hpa", name, "--type=merge", "-p", patch)


def ready(namespace: str, name: str) -> int:
    """Count a slot's proxies that are ready."""
    return int(get(namespace, "deployment", name).get("status", {}).get("readyReplicas", 0))


def lead(copy: Path, slot: str) -> None:
    """Lead players to a slot: one change of one Service."""
    kubectl("apply", "-k", str(copy / "overlays/production" / slot))


def holds(namespace: str, name: str, size: int, *, watch: float, every: float) -> bool:
    """Look on for a while; tells whether at least half of so many proxies stay ready."""
    end = time.monotonic() + watch
    while ready(namespace, name) * 2 >= size:
        if time.monotonic() >= end:
            return True
        time.sleep(every)
    return False
