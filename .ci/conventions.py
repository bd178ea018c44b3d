#!/usr/bin/env python3
"""Holds a pull request against what CONTRIBUTING.md asks of titles.

    conventions.py --title TITLE --body BODY --commits BASE..HEAD

A title, of a commit or of the pull request, is one imperative sentence of 72 characters at most
that begins with a capital and ends without a full stop; a commit's body follows after an empty
line; a pull request says why in its description. Prints all faults, and ends with 1 if there are
any.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator

# As much as git and review tools show on a line.
MAX_TITLE = 72
# How titles begin that are no imperatives: Added, Adding, Adds. Verbs that only look so are listed.
OTHER_MOODS = re.compile(r".{2,}(?:ed|ing|[^s]s)")
IMPERATIVES = re.compile(
    r"bleed|breed|embed|exceed|feed|heed|need|proceed|seed|shed|shred|speed|succeed|weed"
    r"|bring|cling|fling|ping|ring|sing|sling|spring|sting|string|swing|wring"
    r"|alias|bias|canvas|focus",
    re.IGNORECASE,
)
# What is to be squashed or is not ready yet.
UNFINISHED = re.compile(r"(?:fixup!|squash!|amend!|wip\b|draft\b)", re.IGNORECASE)


def title_faults(title: str) -> Iterator[str]:
    """Give what is wrong with a title."""
    if UNFINISHED.match(title):
        yield "is not finished"
    if len(title) > MAX_TITLE:
        yield f"has {len(title)} characters, {MAX_TITLE} at most"
    if not title[:1].isupper():
        yield "does not begin with a capital"
    if title != title.strip() or title.endswith((".", "!", "…")):
        yield "ends with a full stop or a space"
    if re.search(r"[.!?] ", title):
        yield "is more than one sentence"
    first = re.split(r"\W", title, maxsplit=1)[0]
    if OTHER_MOODS.fullmatch(first) and not IMPERATIVES.fullmatch(first):
        yield f"begins with {first!r}: say what the change does as an order, as in 'Add'"


def message_faults(message: str) -> Iterator[str]:
    """Give what is wrong with a commit's message."""
    title, *body = message.rstrip("\n").split("\n")
    yield from title_faults(title)
    if body and body[0]:
        yield "has no empty line after its title"


def messages(commits: str) -> Iterator[tuple[str, str]]:
    """Give short hash and message of each commit of a range; merges have none of their own."""
    command = ["git", "log", "--no-merges", "--format=%h%n%B%x00", commits, "--"]
    log = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for entry in log.split("\0"):
        commit, _, message = entry.lstrip("\n").partition("\n")
        if commit:
            yield commit, message


def main() -> None:
    """Print every fault."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--title", required=True)
    parser.add_argument("--body", required=True)
    parser.add_argument("--commits", required=True, metavar="BASE..HEAD")
    options = parser.parse_args()
    found = [f"The pull request's title {fault}." for fault in title_faults(options.title)]
    if not options.body.strip():
        found.append("The pull request does not say why: its description is empty.")
    for commit, message in messages(options.commits):
        title = message.partition("\n")[0]
        found += [f"{commit} ({title}) {fault}." for fault in message_faults(message)]
    if found:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
