"""Links of the documentation, and those to it, lead to pages and places that exist."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from handbook.links import Link, anchors, leads_to, links, relinked, slug

pytestmark = pytest.mark.docs

ROOT = Path(__file__).parents[2]
PAGES = [
    *sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("*.md")),
    *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")),
    "config/compose/issuer/README.md",
]
# Where else pages are named: in code, rules, dashboards, manifests, examples.
FOLDERS = ("proxy", "dashboards", "config", "deploy", "bench", "handbook", ".github", ".ci")
FILES = ("docker-compose.yml", "Dockerfile", "Makefile", "mkdocs.yml", "pyproject.toml")
# What is made from others' code there.
OTHERS = {"__pycache__", "node_modules"}
KINDS = {".py", ".md", ".yaml", ".yml", ".json", ".js", ".html", ".lua", ".toml", ""}
NAMED = re.compile(r"docs/(?P<page>[\w/-]+\.md)(?:#(?P<anchor>[\w-]+)|, \"(?P<title>[^\"\n]+)\")?")
# How dashboards and rules lead to it, wherever it is (dashboards/rules/runbook.yaml).
RUNBOOK = re.compile(r"(?:\$\{runbook:raw\}|\{\{ end \}\})#(?P<anchor>[\w-]+)")
# Hosts that are nobody's, or this machine: the only ones that plain http is for.
OWN = re.compile(r"(?:localhost|127\.0\.0\.1|.*\.example)(?::\d+)?")


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    for link in links((ROOT / page).read_text(encoding="utf-8")):
        if not link.is_external:
            path = leads_to(page, link)
            assert (ROOT / path).exists(), (page, link)
            assert not link.anchor or link.anchor in anchors((ROOT / path).read_text()), link


@pytest.mark.parametrize("page", PAGES)
def test_every_link_to_the_world_is_one_that_a_browser_takes(page: str) -> None:
    for link in links((ROOT / page).read_text(encoding="utf-8")):
        if link.is_external:
            url = urlsplit(link.target)
            assert url.scheme in ("https", "http"), (page, link)
            assert url.scheme == "https" or OWN.fullmatch(url.netloc), (page, link)
            assert "." in url.netloc or OWN.fullmatch(url.netloc), (page, link)


def mentions() -> Iterator[tuple[str, str, str, str]]:
    """Give where code names a page of docs/: file, page, anchor, title of a section."""
    of_folders = (path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*")))
    for path in (*of_folders, *(ROOT / name for name in FILES)):
        if path.is_file() and path.suffix in KINDS and OTHERS.isdisjoint(path.parts):
            file, text = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
            for match in NAMED.finditer(text):
                yield file, match["page"], match["anchor"] or "", match["title"] or ""
            for match in RUNBOOK.finditer(text):
                yield file, "runbook.md", match["anchor"], ""


def test_every_page_that_code_and_rules_name_is_there_with_its_section() -> None:
    found = list(mentions())
    for file, page, anchor, title in found:
        path = ROOT / "docs" / page
        assert path.exists(), (file, page)
        places = anchors(path.read_text(encoding="utf-8"))
        assert not anchor or anchor in places, (file, page, anchor)
        assert not title or slug(title) in places, (file, page, title)
    rules = {anchor for file, _, anchor, _ in found if file.startswith("dashboards/rules")}
    assert len(rules) > 15, "every alert has its runbook"


def test_a_link_is_found_whatever_it_holds_and_none_in_code() -> None:
    text = (
        "[a](b.md#c) ![p](d.png) [`x`](../y.py)\n"
        "`[no](n.md)` and <https://a.example/>\n"
        "```\n[no](n.md)\n```\n"
        "<!-- [no](n.md) -->\n"
        "[w](https://a.example/x_(y)) ``[no](`n`)``\n"
    )
    assert [(link.target, link.line) for link in links(text)] == [
        ("b.md#c", 1),
        ("d.png", 1),
        ("../y.py", 1),
        ("https://a.example/x_(y)", 7),
        ("https://a.example/", 2),
    ]


def test_places_are_called_as_forges_call_them() -> None:
    text = "# One *two*\n## `/_play/`: a\n### Ä & b\n## A\n## A\n```\n# no\n```\n## [x](y.md) z\n"
    assert anchors(text) == {"one-two", "_play-a", "ä--b", "a", "a-1", "x-z"}


def test_a_page_is_relinked_and_else_untouched() -> None:
    text = "[a](b.md) `[a](b.md)` [c](d.md#e)\n"
    assert relinked(text, lambda link: link.target.upper()) == (
        "[a](B.MD) `[a](b.md)` [c](D.MD#E)\n"
    )
    assert leads_to("docs/a.md", Link("../b/c.py#d", 1)) == "b/c.py"
    assert leads_to("docs/a.md", Link("#d", 1)) == "docs/a.md"
