import contextlib

import cbor2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.credentials.cbor import MAX_DEPTH, MAX_ITEMS, Tag, Value, read

SCALARS = st.one_of(
    st.integers(-(2**64), 2**64 - 1),
    st.floats(allow_nan=False),
    st.booleans(),
    st.none(),
    st.binary(max_size=30),
    st.text(max_size=30),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.integers(-400, 400) | st.text(max_size=4), inner, max_size=4),
        st.builds(Tag, st.integers(1000, 2000), inner),
    ),
    max_leaves=8,
).filter(lambda value: depth(value) <= MAX_DEPTH)


def depth(value: object) -> int:
    match value:
        case list():
            return 1 + max(map(depth, value), default=0)
        case dict():
            return 1 + max(map(depth, value.values()), default=0)
        case Tag():
            return 1 + depth(value.value)
    return 0


def encoded(value: Value) -> bytes:
    return cbor2.dumps(value, default=_tagged)


def _tagged(encoder: cbor2.CBOREncoder, value: object) -> None:
    assert isinstance(value, Tag)
    encoder.encode(cbor2.CBORTag(value.number, value.value))


@given(VALUES)
def test_what_a_library_writes_is_read(value: Value) -> None:
    assert read(encoded(value)) == value


@given(st.binary(max_size=200))
@example(b"")
@example(b"\xf7")
@example(b"\x19\x00\x00")
@example(b"\xa1\x80\x01")
@example(b"\x63\xff\xff\xff")
def test_anything_else_is_an_error_of_one_kind(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        found = read(data)
        # A number may be written longer than it need be. By repr, for NaN is not equal to itself.
        assert repr(read(encoded(found))) == repr(found)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x81" * 6000 + b"\x01", id="nested arrays"),
        pytest.param(b"\xa1\x01" * 3000 + b"\x01", id="nested maps"),
        pytest.param(b"\xc1" * 6000 + b"\x01", id="nested tags"),
        pytest.param(b"\x9b" + b"\xff" * 8, id="an array of 2**64 items"),
        pytest.param(b"\xbb" + b"\x7f" * 8, id="a map of as many"),
        pytest.param(b"\x5b" + b"\x7f" * 8, id="a text of as many bytes"),
        pytest.param(b"\x9a\x00\x00\x13\x88" + b"\x01" * 5000, id="5000 items"),
        pytest.param(b"\x9f\x01\xff", id="an indefinite length"),
        pytest.param(b"\xa2\x01\x01\x01\x02", id="a name twice"),
        pytest.param(b"\xa1\xf5\x01", id="a boolean name"),
        pytest.param(b"\xa1\x41a\x01", id="a name of bytes"),
        pytest.param(b"\x01\x01", id="more than one item"),
        pytest.param(b"\x62\xff\xfe", id="a text that is none"),
        pytest.param(b"\xe0", id="an unknown simple value"),
        pytest.param(b"\x1c", id="a reserved length"),
    ],
)
def test_what_no_token_needs_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # its text is for nobody
        read(data)


@pytest.mark.parametrize("value", [Tag(35, "a"), [Tag(1, 1)], {1: {2: [Tag(4, [1, 1])]}}])
def test_a_tag_is_refused_where_there_may_be_none(value: Value) -> None:
    assert read(encoded(value)) == value
    with pytest.raises(ValueError, match="tag"):
        read(encoded(value), tags=False)


def test_the_bounds_are_where_they_say() -> None:
    read(b"\x81" * MAX_DEPTH + b"\x01")
    with pytest.raises(ValueError, match="nested"):
        read(b"\x81" * (MAX_DEPTH + 1) + b"\x01")
    read(cbor2.dumps([0] * (MAX_ITEMS - 1)))
    with pytest.raises(ValueError, match="items"):
        read(cbor2.dumps([0] * MAX_ITEMS))
