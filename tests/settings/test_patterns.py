import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.settings.patterns import PathPattern


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("/live/**", "/live/a.m3u8", True),
        ("/live/**", "/live/a/b/c.m3u8", True),
        ("/live/**", "/live/", True),
        ("/live/**", "/live", False),
        ("/live/**", "/lively/a.m3u8", False),
        ("/live/**", "/x/live/a.m3u8", False),
        ("/**", "/", True),
        ("/**", "/a/b", True),
        ("/vod/*/master.m3u8", "/vod/1/master.m3u8", True),
        ("/vod/*/master.m3u8", "/vod/1/2/master.m3u8", False),
        ("/vod/*/master.m3u8", "/vod//master.m3u8", False),
        ("/ch-*.m3u8", "/ch-1.m3u8", True),
        ("/ch-*.m3u8", "/ch-.m3u8", True),
        ("/ch-*.m3u8", "/ch-1/x.m3u8", False),
        ("/ch-*.m3u8", "/ch-1.m3u8x", False),
        ("/**/*.mpd", "/a.mpd", True),
        ("/**/*.mpd", "/a/b/c.mpd", True),
        ("/a/**/z", "/a/z", True),
        ("/a/**/z", "/a/b/c/z", True),
        ("/a/**/z", "/az", False),
        ("/a.b", "/axb", False),
        ("/exact", "/exact", True),
        ("/exact", "/exact/", False),
        ("/café/**", "/caf%C3%A9/x", True),
        ("/caf%c3%a9/**", "/caf%C3%A9/x", True),
        ("/a%41(1)/**", "/aA(1)/x", True),
    ],
)
def test_a_pattern_matches_whole_canonical_paths(pattern: str, path: str, matches: bool) -> None:
    assert PathPattern(pattern).matches(path) is matches


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "starts with '/'"),
        ("live/**", "starts with '/'"),
        ("http://h/live", "starts with '/'"),
        ("/a?x=1", "no query"),
        ("/a#x", "no query"),
        ("/a b\n", "characters"),
        ("/a\\b", "characters"),
        ("/a%2fb", "characters"),
        ("/a%2Ab", "characters"),
        ("/a%zz", "characters"),
        ("/a%ff", "UTF-8"),
        ("/\ud800", "UTF-8"),
        ("/a//b", "empty segments"),
        ("//", "empty segments"),
        ("/a/../b", "'..'"),
        ("/a/%2e%2e/b", "'..'"),
        ("/a/..;x/b", "'..'"),
        ("/a**", "stands alone"),
        ("/***", "stands alone"),
        ("/**/a/**", "once"),
        ("/*a*", "once"),
        ("/_playgate/**", "Playgate's own"),
        ("/_playgate", "Playgate's own"),
        ("/%5Fplaygate/x", "Playgate's own"),
    ],
)
def test_what_could_never_match_is_no_pattern(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        PathPattern(text)


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("/live/**", "/live/"),
        ("/live/ch-*.m3u8", "/live/ch-"),
        ("/a/b.mpd", "/a/b.mpd"),
        ("/**", "/"),
    ],
)
def test_the_literal_prefix_ends_at_the_first_wildcard(text: str, prefix: str) -> None:
    assert PathPattern(text).literal_prefix == prefix


SEGMENT = st.text("ab.", min_size=1, max_size=3).filter(lambda text: text not in (".", ".."))
PATHS = st.lists(SEGMENT, min_size=1, max_size=5).map(lambda parts: "/" + "/".join(parts))
PATTERN_SEGMENT = st.one_of(SEGMENT, st.just("*"), st.tuples(SEGMENT, SEGMENT).map("*".join))
PATTERNS = st.tuples(
    st.lists(PATTERN_SEGMENT, max_size=3),
    st.sampled_from([[], ["**"]]),
    st.lists(PATTERN_SEGMENT, max_size=2),
).map(lambda parts: "/" + "/".join([*parts[0], *parts[1], *parts[2]]))


def oracle(pattern: list[str], path: list[str]) -> bool:
    """The definition, segment by segment, with the standard library's own wildcards."""
    match pattern:
        case []:
            return not path
        case ["**"]:
            return bool(path)
        case ["**", *rest]:
            return any(oracle(rest, path[skipped:]) for skipped in range(len(path) + 1))
        case [first, *rest]:
            return bool(path) and fnmatch.fnmatchcase(path[0], first) and oracle(rest, path[1:])
    raise AssertionError


@given(PATTERNS, PATHS)
def test_matching_is_what_its_definition_says(pattern: str, path: str) -> None:
    assert PathPattern(pattern).matches(path) is oracle(pattern[1:].split("/"), path[1:].split("/"))


@given(PATTERNS, PATHS)
def test_a_covering_pattern_takes_all_paths_of_the_other(pattern: str, path: str) -> None:
    if PathPattern(pattern).matches(path):
        for text in PathPattern(pattern).covering():
            assert PathPattern(text).matches(path)


@given(PATTERNS, PATTERNS, PATHS)
def test_patterns_that_match_the_same_path_overlap(one: str, other: str, path: str) -> None:
    first, second = PathPattern(one), PathPattern(other)
    assert first.overlaps(second) is second.overlaps(first)
    assert first.overlaps(first)
    if first.matches(path) and second.matches(path):
        assert first.overlaps(second)


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ("/live/**", "/live/*", True),
        ("/live/**", "/live/", True),
        ("/live/**", "/live", False),
        ("/live/*", "/live/", False),
        ("/live/**", "/vod/**", False),
        ("/live/**", "/**/*.mpd", True),
        ("/live/x/**", "/**/live/x", True),
        ("/a/**/z", "/a/b/**", True),
        ("/a/**/z", "/**/y", False),
        ("/a/**/z", "/a", False),
        ("/a/**/z", "/a/z", True),
        ("/a/**", "/**/", True),
        ("/a/*/c", "/*/b/c", True),
        ("/a/*/c", "/*/c", False),
        ("/ch-*", "/*-hd", True),
        ("/ch-*", "/c*", True),
        ("/ch-*", "/chan*", False),
        ("/*.m3u8", "/*.mpd", False),
        ("/ab*ba", "/aba", False),
        ("/ab*ba", "/abba", True),
    ],
)
def test_patterns_overlap_where_some_path_is_of_both(one: str, other: str, overlap: bool) -> None:
    assert PathPattern(one).overlaps(PathPattern(other)) is overlap
    assert PathPattern(other).overlaps(PathPattern(one)) is overlap


def test_folders_cover_what_is_beneath_them() -> None:
    assert list(PathPattern("/live/*/x.m3u8").covering()) == ["/live/*/x.m3u8", "/**", "/live/**"]
    assert list(PathPattern("/live").covering()) == ["/live", "/**"]


def test_a_hostile_path_is_matched_in_time_linear_in_its_length() -> None:
    # Seconds to days where matching backtracks; an answer at all is the assertion.
    pattern = PathPattern("/a*b/**/c*d/*.m3u8")
    assert not pattern.matches("/aab" + "/cc" * 50_000 + "c" * 50_000)
