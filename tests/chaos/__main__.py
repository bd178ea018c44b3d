"""``make chaos``: an hour of viewers in minutes, while one thing after another goes wrong.

    python -m tests.chaos                          # five minutes, 500 viewers, any seed
    python -m tests.chaos --minutes 4 --seed 7     # again what was seen

An hour is 600 refreshes of each viewer, six seconds apart; in five minutes they are half a second
apart. What is claimed: ``claims``. Exits with 1 where a claim does not hold.
"""

import argparse
import asyncio
import math
import random
import signal
import sys

from tests.chaos.show import LIMIT, Outcome, Plan, play
from tests.chaos.table import table
from tests.chaos.viewers import Habits

REFRESHES_AN_HOUR = 600


def planned(minutes: float, viewers: int, seed: int) -> Plan:
    """Give the plan of a run of so many minutes."""
    lasts = 60 * minutes
    return Plan(
        seed=seed,
        viewers=viewers,
        lasts=lasts,
        # Longer than a failover takes, as in production.
        ttl=10.0,
        habits=Habits(
            beat=max(0.1, lasts / REFRESHES_AN_HOUR),
            watches=20.0,
            waits=(0.5, 4.0),
            reboots=(0.5, 3.0),
        ),
        strikes=(1.0, 5.0),
        calms=(2.0, 5.0),
    )


async def run(plan: Plan) -> Outcome:
    """Run it; when told to end, end all that was started before."""
    task = asyncio.current_task()
    assert task
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, task.cancel)
    return await play(plan, _say)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def minutes(text: str) -> float:
    """Read how many, or say what is wrong with that."""
    if not 0 < float(text) < math.inf:
        raise argparse.ArgumentTypeError("more than no time, and an end to it")
    return float(text)


def viewers(text: str) -> int:
    """Read how many, or say what is wrong with that."""
    if int(text) <= LIMIT:
        raise argparse.ArgumentTypeError(f"an account has {LIMIT + 1}")
    return int(text)


def main() -> int:
    """Run it and print what came of it."""
    told = argparse.ArgumentParser(prog="make chaos", description="Kills, stalls, and who watches.")
    told.add_argument("--minutes", type=minutes, default=5.0)
    told.add_argument("--viewers", type=viewers, default=500)
    told.add_argument("--seed", type=int, default=random.randrange(10_000))
    given = told.parse_args()
    try:
        outcome = asyncio.run(run(planned(given.minutes, given.viewers, given.seed)))
    except (asyncio.CancelledError, KeyboardInterrupt):
        return 130
    sys.stdout.write(table(outcome) + "\n")
    return 1 if outcome.verdict.broken else 0


if __name__ == "__main__":
    sys.exit(main())
