from urllib.parse import urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.manifests.paths import common_directory, directory, without_dots
from tests.manifests.world import unhurried


@unhurried
@given(st.lists(st.sampled_from(["a", "bc", ".", "..", "d.e", "..."]), min_size=1), st.booleans())
def test_dot_segments_are_resolved_as_urljoin_does(segments: list[str], slash: bool) -> None:
    path = "/" + "/".join(segments) + "/" * slash
    assert without_dots(path) == urljoin("http://h/", path).removeprefix("http://h")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a/%2e%2E/b", "/b"),
        ("/a/%2e/b", "/a/b"),
        ("/a/.%2e", "/"),
        ("/a%2eb/c", "/a%2eb/c"),
        ("/a//../b", "/a/b"),
    ],
)
def test_encoded_dots_are_dots_and_all_else_keeps_its_spelling(path: str, expected: str) -> None:
    assert without_dots(path) == expected


def test_directories() -> None:
    assert directory("/a/b.ts") == "/a/"
    assert directory("/a/b/") == "/a/b/"
    assert directory("/b.ts") == "/"


@pytest.mark.parametrize(
    ("directories", "expected"),
    [
        (["/a/b/"], "/a/b/"),
        (["/a/b/", "/a/c/"], "/a/"),
        (["/a/b/", "/a/bc/"], "/a/"),
        (["/a/b/c/", "/a/b/", "/a/b/d/"], "/a/b/"),
        (["/a/", "/b/"], "/"),
    ],
)
def test_the_common_directory_holds_all(directories: list[str], expected: str) -> None:
    assert common_directory(directories) == expected
