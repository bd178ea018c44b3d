import posixpath
from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st

from proxy.paths import canonical


@given(st.text(st.characters(codec="ascii"), max_size=40).map(lambda text: f"/{text}"))
def test_an_accepted_path_is_stable_and_stays_where_it_is(raw: str) -> None:
    path = canonical(raw.partition("?")[0])
    if path is None:
        return
    assert canonical(path) == path
    once, twice = unquote(path), unquote(unquote(path))
    for decoded in (once, twice):
        assert posixpath.normpath(decoded).rstrip("/") == decoded.rstrip("/")


def test_bytes_that_are_no_text_have_no_spelling() -> None:
    assert canonical("/a\udcff") is None
    assert canonical("/%ff") is None
