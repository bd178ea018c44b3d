"""Names that somebody wrote and that mean nothing here: how they are shown, and what was meant."""

import json
import re
from collections.abc import Collection
from difflib import get_close_matches

PLAIN = re.compile(r"[A-Za-z0-9_-]{1,80}")
# How like a known name an unknown one must be to be taken for it (difflib's ratio): a letter more,
# less or another is, a word that shares some letters is not.
CLOSE = 0.7


def shown(name: str) -> str:
    """Give a name as a text of one line, and not for ever; a plain one as it is."""
    return name if PLAIN.fullmatch(name) else json.dumps(name[:80])


def unknown(kind: str, name: str, known: Collection[str]) -> str:
    """Say that a name of this kind is not known, and which is nearest, if one is near."""
    near = get_close_matches(name, set(known) - {name}, 1, CLOSE)
    return f"unknown {kind}; did you mean {near[0]!r}?" if near else f"unknown {kind}"
