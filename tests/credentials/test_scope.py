import base64
import hashlib
import re
from contextlib import suppress

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from proxy.credentials.patterns import (
    MAX_PATTERN_LENGTH,
    MAX_PROGRAM,
    MAX_TEXT_LENGTH,
    Pattern,
)
from proxy.credentials.scope import container, uri_of
from proxy.model import Request

URI = "https://tv.example/vod/film/master.m3u8"
# Characters that mean themselves in a POSIX ERE and in a URI.
PLAIN = st.text("abcxyzABC019/_-", max_size=12)


def named(uri: str, name: str = "sha-256") -> str:
    digest = hashlib.new(name[:3] + name[4:7], uri.encode()).digest()
    if name == "sha-256-128":
        digest = digest[:16]
    return f"hash:{name};{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def asked(path: str, query: str = "", host: str = "tv.example", scheme: str = "https") -> Request:
    return Request("GET", scheme, host, path, query, CIMultiDict(), "192.0.2.1")


@pytest.mark.parametrize(
    ("request_", "uri"),
    [
        (asked("/a/master.m3u8"), "https://tv.example/a/master.m3u8"),
        (asked("/a", "b=1&c"), "https://tv.example/a?b=1&c"),
        (asked("/a", "b=1&token=SECRET&c=2"), "https://tv.example/a?b=1&c=2"),
        (asked("/a", "token=SECRET"), "https://tv.example/a"),
        (asked("/a", "b=%7euser%2f%C3%a9"), "https://tv.example/a?b=~user%2F%C3%A9"),
        (asked("/a", host="tv.example:8443", scheme="http"), "http://tv.example:8443/a"),
        (asked("/", "b=%zz%"), "https://tv.example/?b=%zz%"),
    ],
)
def test_the_uri_is_that_of_the_viewer_normalised_and_without_the_token(
    request_: Request, uri: str
) -> None:
    assert uri_of(request_, {"token"}) == uri


@pytest.mark.parametrize("name", ["sha-256", "sha-256-128", "sha-384", "sha-512"])
def test_a_hash_allows_its_own_uri_and_no_other(name: str) -> None:
    scope = container(named(URI, name))
    assert scope.permits("GET", URI)
    assert not scope.permits("GET", f"{URI}?a=1")
    assert not scope.permits("GET", URI.replace("https", "http"))


@given(signed=PLAIN, shown=PLAIN)
def test_a_hash_is_the_uri(signed: str, shown: str) -> None:
    assert container(named(f"https://h/{signed}")).permits("GET", f"https://h/{shown}") == (
        signed == shown
    )


def test_the_regular_expression_of_the_standard_does_what_it_says() -> None:
    text = r"[^:]*\://[^/]*/folder/content/quality_[^/]*/segment.{3}\.mp4(\?.*)?"
    scope = container(f"regex:{text}")
    assert scope.permits("GET", "https://h.example/folder/content/quality_1/segment001.mp4")
    assert scope.permits("GET", "http://h:80/folder/content/quality_x/segmentabc.mp4?a=b")
    assert not scope.permits("GET", "https://h.example/folder/content/quality_1/segment1.mp4")
    assert not scope.permits("GET", "https://h.example/folder/content/quality_1/a/segment001.mp4")


def test_a_regular_expression_is_for_the_whole_uri() -> None:
    scope = container(r"regex:https://tv\.example/free/.*")
    assert not scope.permits("GET", "https://tv.example/paid?https://tv.example/free/")
    assert not scope.permits("GET", "xhttps://tv.example/free/")
    assert not container("regex:/free/").permits("GET", "https://tv.example/free/")


@given(
    parts=st.lists(
        st.one_of(
            PLAIN, st.sampled_from([".", ".*", "a+", "(b|c)?", "[x-z]{1,2}", "[^/]*", "(ab|a)*"])
        ),
        max_size=5,
    ),
    text=PLAIN,
)
@example(parts=["(ab|a)*", "b"], text="aab")
def test_expressions_that_mean_the_same_in_python_match_the_same(
    parts: list[str], text: str
) -> None:
    expression = "".join(parts)
    assume(not re.search(r"[*+?}][*+?{]|^[*+?]", expression))
    assert Pattern(expression).matches(text) == bool(re.fullmatch(expression, text))


@pytest.mark.parametrize(
    "text",
    [
        *("", "https://tv.example/", "exact:https://tv.example/", "hash", "regex", "HASH:sha-256;"),
        *("hash:", "hash:sha-256", "hash:sha-256;", "hash:sha-256;AAAA", "hash:md5;AAAA"),
        *("hash:sha-256-32;f4OxZQ", "hash:sha-256;" + "*" * 43, "hash:sha-256;" + "é" * 43),
        *(
            "regex:(",
            "regex:[",
            "regex:*",
            r"regex:(a)\1",
            r"regex:\d+",
            "regex:a(?=b)",
            "regex:\\",
        ),
        "regex:\ud800",
    ],
)
def test_a_container_that_cannot_be_checked_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # its text is for nobody
        container(text)


EVIL = [
    *("(a*)*b", "(a+)+$", "(a|a)*b", "(a|aa)+$", "(.*a){25}b", "(x+x+)+y", "^(([a-z])+.)+[A-Z]"),
    *("(a?){500}a{500}", "((a{1,30}){1,30})b", "(((a{1,9}){1,9}){1,9}){1,9}", "(.*){1000}b"),
    *("a{1000}{1000}", ".*a.{900}b", "(" * 500 + "a" + ")" * 500, "(.|..|...)*" * 40 + "b"),
    *("[[:alpha:]]{1000}" * 50, "(" + "|".join("a" * n for n in range(1, 40)) + ")*b", "a" * 9000),
]


@pytest.mark.parametrize("expression", EVIL, ids=range(len(EVIL)))
def test_no_expression_keeps_the_process_busy(expression: str) -> None:
    """An engine that goes back and tries again would not come to the end of this."""
    with suppress(ValueError):
        pattern = Pattern(expression)
        assert pattern.cost <= MAX_PROGRAM
        for text in ("a" * (MAX_TEXT_LENGTH - 1) + "!", URI + "ac" * 900, "x" * 2000 + "!"):
            assert not pattern.matches(text)


def test_expressions_and_texts_are_bounded() -> None:
    Pattern("a" * MAX_PATTERN_LENGTH)
    with pytest.raises(ValueError, match="characters"):
        Pattern("a" * (MAX_PATTERN_LENGTH + 1))
    with pytest.raises(ValueError, match="costly"):
        Pattern("(.|..|...)*" * 93)
    with pytest.raises(ValueError, match="costly"):
        Pattern("(a|b)*a(a|b){0,980}")
    assert Pattern("a*").matches("a" * MAX_TEXT_LENGTH)
    assert not Pattern("a*").matches("a" * (MAX_TEXT_LENGTH + 1))
