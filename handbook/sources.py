"""What the site shows beside docs/: the files of the repository that pages lead to, as they are.

On a forge a link to ``../proxy/errors.py`` opens that file. On the site it opens a page made of it:
so a link never leads away from the version that is read, nor to a host that may not be there. Pages
of Markdown outside docs/ (the changelog, CONTRIBUTING) become pages like any other.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from handbook.links import Link, leads_to, links, relinked

DOCS = "docs/"
# Markdown that has a place in the navigation, though it lies outside docs/.
PLACES = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "README.md": "README.md",
}
SOURCES = "source/"
# What a search for a word should not find, next to what was written about it.
UNSEARCHED = "---\nsearch: {exclude: true}\n---\n"
LANGUAGES = {".py": "python", ".js": "javascript", ".yaml": "yaml", ".yml": "yaml", ".json": "json"}
# What is made by running things, and is in no commit or a picture.
UNSHOWN = {"__pycache__", "node_modules", "results"}


def place(path: str) -> str:
    """Give the page of the site on which a file or folder of the repository is."""
    if path.startswith(DOCS):
        return path.removeprefix(DOCS)
    if path in PLACES:
        return PLACES[path]
    return SOURCES + (path if path.endswith(".md") else f"{path}.md")


def outside(root: Path) -> Mapping[str, str]:
    """Give what docs/ leads to and does not hold: page on the site -> its Markdown."""
    pages = [path.relative_to(root).as_posix() for path in sorted((root / DOCS).rglob("*.md"))]
    waiting = [*PLACES, *pages]
    found: dict[str, str] = {}
    seen: set[str] = set()
    while waiting:
        path = waiting.pop()
        is_asset = path.startswith(DOCS) and not path.endswith(".md")
        if path in seen or is_asset or not (root / path).exists():
            continue
        seen.add(path)
        text = _shown(root, path)
        if not path.startswith(DOCS) and place(path) not in map(place, pages):
            found[place(path)] = text
        if path.endswith(".md") or (root / path).is_dir():
            waiting += [leads_to(path, link) for link in links(text) if not link.is_external]
    return found


def for_the_site(path: str, text: str) -> str:
    """Write the links of a page of the repository as they are on the site."""
    here = place(path)

    def target(link: Link) -> str:
        if link.is_external or not link.path:
            return link.target
        there = place(leads_to(path, link))
        anchor = f"#{link.anchor}" if link.anchor else ""
        return posixpath.relpath(there, posixpath.dirname(here) or ".") + anchor

    return relinked(text, target)


def origin(page: str) -> str:
    """Give the file of the repository that a page of the site is made of."""
    for path, shown in PLACES.items():
        if shown == page and path != "README.md":
            return path
    return page.removeprefix(SOURCES) if page.startswith(SOURCES) else DOCS + page


def _shown(root: Path, path: str) -> str:
    """Give a file as Markdown; of a folder, what is in it."""
    file = root / path
    if file.is_dir():
        return "\n".join(_listed(file, path))
    text = file.read_text(encoding="utf-8")
    if path.endswith(".md"):
        return text
    # A fence that is longer than any in the file.
    fence = "`" * max(3, *(len(ticks) + 1 for ticks in re.findall(r"`+", text)), 3)
    return f"{UNSEARCHED}# `{path}`\n\n{fence}{LANGUAGES.get(file.suffix, '')}\n{text}{fence}\n"


def _listed(folder: Path, path: str) -> Iterator[str]:
    yield f"{UNSEARCHED}# `{path}`\n"
    for file in sorted(folder.rglob("*")):
        if file.is_file() and UNSHOWN.isdisjoint(file.parts):
            name = file.relative_to(folder).as_posix()
            yield f"- [`{name}`]({posixpath.basename(path)}/{name})"
