"""Many processes start streams of one account at once."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.conftest import Tell
from tests.support.redis_server import RedisServer

RACERS = 4
STREAMS = 26  # of each racer
LIMIT = 3
ROUNDS = 1_000
ROOT = Path(__file__).parents[2]


class Racer:
    """A process with a store of its own."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._in, self._out = process.stdin, process.stdout

    def start(self, account: str) -> None:
        self._in.write(f"{account}\n")
        self._in.flush()

    def told(self) -> list[str]:
        return self._out.readline().split()


@contextmanager
def racing(url: str, name: str) -> Iterator[Racer]:
    command = [sys.executable, "-m", "tests.admission.racer", url, name, f"{STREAMS}", f"{LIMIT}"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        yield Racer(process)
    finally:
        process.communicate(timeout=120)  # closes its standard input, which ends it
    assert process.returncode == 0


def test_never_one_over_the_limit_and_never_one_under(
    redis_server: RedisServer, tell: Tell
) -> None:
    with ExitStack() as stack:
        racers = [
            stack.enter_context(racing(redis_server.url, f"racer-{number}"))
            for number in range(RACERS)
        ]
        assert [racer.told() for racer in racers] == [["ready"]] * RACERS
        winners = Counter[int]()
        for number in range(ROUNDS):
            # Each begins as often: on a busy machine, who is told first might always be the first.
            first = number % RACERS
            for racer in racers[first:] + racers[:first]:
                racer.start(f"round-{number}")
            told = [racer.told() for racer in racers]
            admitted = [outcomes.count("admitted") for outcomes in told]
            refused = [outcomes.count("refused") for outcomes in told]
            assert sum(admitted) == LIMIT, told
            assert sum(refused) == RACERS * STREAMS - LIMIT, told
            winners.update(number for number, won in enumerate(admitted) if won)
    # Or it was no race.
    assert len(winners) == RACERS
    starts = ROUNDS * RACERS * STREAMS
    tell(f"{starts:,} starts by {RACERS} processes at once: 0 above the limit, 0 below it")
