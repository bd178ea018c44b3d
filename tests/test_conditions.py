import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from proxy.conditions import byte_range, not_modified
from proxy.origin.headers import Validators


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("bytes=0-", range(10)),
        ("bytes=0-3", range(4)),
        ("bytes=3-3", range(3, 4)),
        ("bytes=8-99", range(8, 10)),
        ("bytes=-3", range(7, 10)),
        ("bytes=-99", range(10)),
        ("bytes=10-", range(0)),
        ("bytes=99-100", range(0)),
        ("bytes=-0", range(0)),
        ("bytes=5-2", None),
        ("bytes=-", None),
        ("bytes=0-1,3-4", None),
        ("lines=0-1", None),
        ("bytes=a-b", None),
        ("bytes=" + "9" * 30 + "-", None),
    ],
)
def test_a_range_of_ten_bytes(value: str | None, expected: range | None) -> None:
    got = byte_range(value, 10)
    assert (got is None) == (expected is None)
    assert list(got or ()) == list(expected or ())


@given(st.text(), st.integers(0, 100))
def test_a_range_never_reaches_outside_the_body(text: str, size: int) -> None:
    part = byte_range(f"bytes={text}", size)
    assert part is None or not part or (part.start >= 0 and part.stop <= size)


OLD, NEW = "Mon, 01 Jan 2024 00:00:00 GMT", "Tue, 02 Jan 2024 00:00:00 GMT"


@pytest.mark.parametrize(
    ("fields", "etag", "modified", "expected"),
    [
        ({"If-None-Match": '"a"'}, '"a"', None, True),
        ({"If-None-Match": '"b", W/"a"'}, '"a"', None, True),
        ({"If-None-Match": '"b"'}, '"a"', None, False),
        ({"If-None-Match": "*"}, None, None, True),
        ({"If-None-Match": '"a"'}, None, None, False),
        ({"If-None-Match": '"b"', "If-Modified-Since": NEW}, '"a"', OLD, False),
        ({"If-Modified-Since": NEW}, None, OLD, True),
        ({"If-Modified-Since": OLD}, None, NEW, False),
        ({"If-Modified-Since": "rubbish"}, None, OLD, False),
        ({"If-Modified-Since": NEW}, None, "rubbish", False),
        ({}, '"a"', OLD, False),
    ],
)
def test_what_the_client_holds_is_compared_with_what_the_origin_has(
    fields: dict[str, str], etag: str | None, modified: str | None, expected: bool
) -> None:
    validators = Validators(etag, modified) if etag or modified else None
    assert not_modified(CIMultiDict(fields), validators) is expected
