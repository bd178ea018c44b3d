"""Where the instructions of one request go, by file and by function.

    PYTHONPATH=. .venv/bin/python bench/instructions.py refresh|usual|through|... [--top 40]

What ``tests/test_cost.py`` counts and holds, taken apart: instructions of Python that we and the
libraries run for one request, the cheapest of some, without the event loop's. The same number each
time, whatever else the machine does.
"""

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import PurePath
from types import CodeType, FrameType
from typing import Any

from tests.test_cost import KINDS, is_left_out, watching
from tests.web.wire import Wire

WARM, TRIED = 6, 12
PARTS_OF_A_PATH = 2


class Profile:
    """Counts instructions of each function, and how often it was entered."""

    def __init__(self) -> None:
        self.instructions: Counter[CodeType] = Counter()
        self.calls: Counter[CodeType] = Counter()

    def entered(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        code = frame.f_code
        if is_left_out(code) or code.co_filename == __file__:
            return None
        frame.f_trace_opcodes = True
        self.calls[code] += 1

        def traced(_frame: FrameType, event: str, _argument: Any) -> Any:
            self.instructions[code] += event == "opcode"
            return traced

        return traced


async def profiled(wire: Wire, targets: Iterator[str], *fields: str) -> Profile:
    """Give the profile of the cheapest of some requests."""
    for target in islice(targets, WARM):
        await wire.ask(target, *fields)
    found = []
    for target in islice(targets, TRIED):
        profile = Profile()
        sys.settrace(profile.entered)
        await wire.ask(target, *fields)
        sys.settrace(None)
        found.append(profile)
    return min(found, key=lambda one: one.instructions.total())


def tell(profile: Profile, top: int) -> None:
    files: Counter[str] = Counter()
    for code, number in profile.instructions.items():
        files[_file(code)] += number
    total = profile.instructions.total()
    print(f"{total:,} instructions in {len(profile.instructions)} functions\n")
    for name, number in files.most_common(top):
        print(f"{number:6,} {name}")
    print("\n  self calls")
    for code, number in profile.instructions.most_common(top):
        print(f"{number:6,} {profile.calls[code]:5} {_file(code)} {code.co_qualname}")


def _file(code: CodeType) -> str:
    return "/".join(PurePath(code.co_filename).parts[-PARTS_OF_A_PATH:])


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--top", type=int, default=40)
    options = parser.parse_args()
    kind = KINDS[options.kind]
    async with watching(kind) as (wire, targets):
        profile = await profiled(wire, targets[kind.asked], *kind.fields)
    tell(profile, options.top)


if __name__ == "__main__":
    asyncio.run(main())
