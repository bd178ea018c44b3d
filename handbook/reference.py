"""docs/reference.md: every key of the configuration, made from the settings' own descriptions.

    python -m handbook.reference --write

What stands there is `handbook.keys`; how it looks is here, in a pure function. A test holds that
the page is what would be written now.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import yaml

from handbook.keys import Group, Key, groups

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/reference.md"
EXAMPLES = Path(__file__).with_name("examples.yaml")
HEAD = """\
# Configuration reference

Every key, made from the schema (`playgate schema` prints it for editors) by `make reference`. How
the file is written, read again and checked, and what to know before changing what, is in
[Configuring Playgate](configuration.md).

- A **duration** is a number with its unit, `500ms`, `30s`, `10m`, `12h` or `1d`. A **size** is
  bytes, or has its unit: `64KiB`, `8MiB`, `1GB`. A whole number counts what the text names:
  streams, requests, events. A **secret** is shown nowhere; `${NAME}` takes it from the
  environment, and paths of files count from the configuration's folder.
- **Restart** says whether a running process can take a change. Where it cannot, it says so and puts
  the rest of the file in force ([while it runs](configuration.md#while-it-runs)).
- `auth.keys`, `tickets.secret` (or its file) and `routes` are required; all else has a default.
"""
ALONE = "By themselves"


def page(found: Sequence[Group], examples: Mapping[str, object]) -> str:
    """Write the page; ``examples`` has a value for each key by its name."""
    return "\n".join((HEAD, *(line for group in found for line in _group(group, examples))))


def _group(group: Group, examples: Mapping[str, object]) -> Iterator[str]:
    yield f"## {f'`{group.name}`' if group.name else ALONE}\n"
    if group.meaning:
        yield f"{group.meaning}\n"
    for key in group.keys:
        yield from _key(key, examples[key.name])


def _key(key: Key, example: object) -> Iterator[str]:
    yield f"### `{key.name}`\n"
    of = f" In an entry with {' or '.join(key.of)}." if key.of else ""
    yield f"{key.meaning}{of}\n"
    yield "| value | default | restart | example |"
    yield "|---|---|---|---|"
    value = f"{key.value}, {key.bounds}" if key.bounds else key.value
    default = "required" if key.default is None else f"`{_written(json.loads(key.default))}`"
    shown = f"`{key.name.rpartition('.')[2]}: {_written(example)}`"
    cells = (value, default, key.restart, shown)
    yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _written(value: object) -> str:
    """Write a value as it would stand behind its key, on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000)
    return text.removesuffix("\n...\n").strip()


def current() -> str:
    """Give the page as it is to be now."""
    return page(groups(), yaml.safe_load(EXAMPLES.read_text(encoding="utf-8")))


def main() -> None:
    """Print the page, or write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    if parser.parse_args().write:
        PAGE.write_text(current(), encoding="utf-8")
    else:
        print(current(), end="")


if __name__ == "__main__":
    main()
