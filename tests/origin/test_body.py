import gzip
import zlib
from collections.abc import Callable
from contextlib import suppress

import brotli  # type: ignore[import-untyped]  # ships no type hints
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import OriginInvalid
from proxy.origin.body import CODING_OVERHEAD, MAX_MEMBERS, Body, decoder

LIMIT = 1_000_000


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def members(data: bytes) -> bytes:
    return gzip.compress(data[:5]) + gzip.compress(b"") + gzip.compress(data[5:])


CODINGS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("", bytes),
    ("identity", bytes),
    ("gzip", gzip.compress),
    ("X-GZip", gzip.compress),
    ("gzip", members),
    (" deflate ", zlib.compress),
    ("deflate", raw_deflate),
    ("br", brotli.compress),
]


def read(coding: str, data: bytes, *, limit: int = LIMIT, step: int = 1000) -> bytes:
    body = Body(coding, limit)
    feed(body, data, step)
    return body.finish()


def feed(body: Body, data: bytes, step: int) -> None:
    for start in range(0, len(data), step):
        body.feed(data[start : start + step])


@pytest.mark.parametrize(("coding", "pack"), CODINGS)
@given(data=st.binary(max_size=300), step=st.integers(1, 50), limit=st.integers(0, 400))
def test_a_body_is_what_was_packed_or_over_the_limit(
    coding: str, pack: Callable[[bytes], bytes], data: bytes, step: int, limit: int
) -> None:
    if len(data) > limit:
        with pytest.raises(OriginInvalid):
            read(coding, pack(data), limit=limit, step=step)
    else:
        assert read(coding, pack(data), limit=limit, step=step) == data


@pytest.mark.parametrize(("coding", "pack"), CODINGS[2:])
@given(data=st.binary(min_size=6, max_size=300), cut=st.integers(1, 20))
def test_a_body_that_is_cut_short_is_invalid(
    coding: str, pack: Callable[[bytes], bytes], data: bytes, cut: int
) -> None:
    packed = pack(data)
    with pytest.raises(OriginInvalid):
        read(coding, packed[: max(1, len(packed) - cut)])


@pytest.mark.parametrize(("coding", "pack"), CODINGS[2:])
def test_a_body_with_something_after_its_end_is_invalid(
    coding: str, pack: Callable[[bytes], bytes]
) -> None:
    with pytest.raises(OriginInvalid):
        read(coding, pack(b"#EXTM3U") + b"\x00more")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
@given(st.binary(min_size=1, max_size=100))
def test_anything_at_all_is_a_body_or_invalid(coding: str, data: bytes) -> None:
    with suppress(OriginInvalid):
        assert isinstance(read(coding, data), bytes)


@pytest.mark.parametrize(("coding", "pack"), CODINGS[2:])
def test_a_bomb_is_stopped_at_the_limit(coding: str, pack: Callable[[bytes], bytes]) -> None:
    bomb = pack(bytes(8 * LIMIT))
    with pytest.raises(OriginInvalid):
        read(coding, bomb, step=len(bomb))
    assert len(decoder(coding).feed(bomb, 1000)) < LIMIT


def test_a_crowd_of_empty_members_is_refused() -> None:
    assert read("gzip", gzip.compress(b"") * MAX_MEMBERS) == b""
    with pytest.raises(OriginInvalid):
        read("gzip", gzip.compress(b"") * (MAX_MEMBERS + 1))


def test_what_decodes_to_nothing_is_still_bounded() -> None:
    # Empty stored blocks: five bytes each, for no output at all.
    body = Body("deflate", limit=1000)
    with pytest.raises(OriginInvalid):
        feed(body, b"\x00\x00\x00\xff\xff" * CODING_OVERHEAD, 1000)


@pytest.mark.parametrize("coding", ["zstd", "compress", "gzip, br", "gzip,gzip", "x"])
def test_a_coding_that_was_not_offered_is_invalid(coding: str) -> None:
    with pytest.raises(OriginInvalid):
        Body(coding, LIMIT)


@pytest.mark.parametrize("coding", ["", "gzip", "deflate", "br"])
def test_nothing_is_nothing_in_any_coding(coding: str) -> None:
    assert read(coding, b"") == b""
