"""The documentation as a site: built strictly, whole, and from nothing but itself."""

import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

from handbook.sources import for_the_site, outside, place
from tests.support import needs

pytestmark = [pytest.mark.docs, pytest.mark.xdist_group("site")]

ROOT = Path(__file__).parents[2]
# What a browser fetches by itself, and by which attribute.
FETCHED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}
# Links of <link> that nothing is fetched for.
ONLY_SAID = {"canonical", "next", "prev", "alternate"}
# What MkDocs and a forge could read differently: a list in a list, or right behind a line.
COUNTED = ("ul", "ol", "li", "table", "tr", "pre", "h2", "h3", "strong", "img")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needs.package("mkdocs", install="make docs")
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        (sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return folder


class Fetches(HTMLParser):
    """What a page has its browser fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if (address := given.get(FETCHED.get(tag, ""))) and given.get("rel") not in ONLY_SAID:
            self.found.append(address)


class Parts(HTMLParser):
    """How many of each part a page has."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self.counts.update({tag} & set(COUNTED))


def test_every_page_is_there_and_those_from_outside_docs(site: Path) -> None:
    pages = [path.name for path in (ROOT / "docs").glob("*.md")]
    shown = {"README.md": "index.html"}
    for name in (*pages, "changelog.md", "contributing.md"):
        assert (site / shown.get(name, f"{name.removesuffix('.md')}.html")).is_file(), name
    assert "Unreleased" in (site / "changelog.html").read_text()
    assert "def for_the_site" not in (site / "search/search_index.json").read_text()


@pytest.mark.parametrize(
    "page",
    [*sorted((ROOT / "docs").glob("*.md")), ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md"],
    ids=lambda page: page.name,
)
def test_a_page_is_made_of_the_same_parts_on_the_site_as_on_a_forge(page: Path, site: Path) -> None:
    needs.package("markdown_it", install="make docs")
    from markdown_it import MarkdownIt  # noqa: PLC0415  # only where it is installed

    on_forge = Parts()
    on_forge.feed(MarkdownIt("commonmark").enable("table").render(page.read_text("utf-8")))
    name = "index" if page.name == "README.md" else page.stem.lower()
    html = (site / f"{name}.html").read_text(encoding="utf-8")
    on_site = Parts()
    on_site.feed(html[html.index("<article") : html.index("</article>")])
    assert on_site.counts == on_forge.counts


def test_nothing_is_fetched_from_another_host(site: Path) -> None:
    for file in site.rglob("*.html"):
        page = Fetches()
        page.feed(file.read_text(encoding="utf-8"))
        assert page.found, file
        for address in page.found:
            assert "//" not in address, (file.name, address)
            if file.name != "404.html":  # which is served for any path
                assert (file.parent / address.partition("?")[0]).exists(), (file.name, address)
    for file in site.rglob("*.css"):
        assert "@import" not in file.read_text(encoding="utf-8"), file.name


def test_links_lead_to_the_sites_pages() -> None:
    text = "[a](../CHANGELOG.md) [b](../proxy/errors.py) [c](d.md#e) [f](https://x.example) [g](#h)"
    assert for_the_site("docs/a.md", text) == (
        "[a](changelog.md) [b](source/proxy/errors.py.md) [c](d.md#e)"
        " [f](https://x.example) [g](#h)"
    )
    assert for_the_site("CHANGELOG.md", "[a](docs/b.md)") == "[a](b.md)"
    assert for_the_site("config/c/README.md", "[a](../../docs/b.md)") == "[a](../../../b.md)"
    assert place("docs/x/y.md") == "x/y.md"


def test_what_pages_lead_to_is_shown_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "src").mkdir()
    (tmp_path / "docs/a.md").write_text("[s](../src) [c](../CHANGELOG.md)")
    (tmp_path / "src/code.py").write_text('"""```"""\n')
    (tmp_path / "CHANGELOG.md").write_text("# Changes\n")
    found = outside(tmp_path)
    assert set(found) == {"changelog.md", "source/src.md", "source/src/code.py.md"}
    assert found["changelog.md"] == "# Changes\n"
    assert "[`code.py`](src/code.py)" in found["source/src.md"]
    assert '````python\n"""```"""\n````\n' in found["source/src/code.py.md"]
