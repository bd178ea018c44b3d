import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.manifests.template import Template, TemplateBuilder
from tests.manifests.world import unhurried


def test_a_body_without_edits_is_one_chunk() -> None:
    assert TemplateBuilder(b"abc").chunks() == (b"abc",)


def test_edits_replace_insert_and_leave_slots() -> None:
    builder = TemplateBuilder(b"0123456789")
    builder.replace(0, 1, b"A")
    builder.replace(3, 3, b"[", b"]")
    builder.replace(5, 7, b"", b"")
    template = Template(builder.chunks(), None, "text/x", media_playlist=False)
    assert template.render(b"T") == b"A12[T]34T789"
    assert template.render(b"") == b"A12[]34789"


@unhurried
@given(st.binary(), st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(1, 3))))
def test_rendering_is_the_body_with_each_edit_made(
    body: bytes, wanted: list[tuple[int, int, int]]
) -> None:
    builder = TemplateBuilder(body)
    expected = b""
    position = 0
    for skip, length, parts in wanted:
        start = min(position + skip, len(body))
        end = min(start + length, len(body))
        builder.replace(start, end, *[b"<>"] * parts)
        expected += body[position:start] + b"T".join([b"<>"] * parts)
        position = end
    template = Template(builder.chunks(), None, "text/x", media_playlist=False)
    assert template.render(b"T") == expected + body[position:]


@unhurried
@given(
    st.lists(st.binary(max_size=30), min_size=1, max_size=6),
    st.binary(max_size=9),
    st.integers(0, 250),
    st.integers(0, 250),
)
def test_the_pieces_of_a_range_are_that_range(
    chunks: list[bytes], ticket: bytes, start: int, length: int
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("proxy.manifests.template.PIECE_BYTES", 8)
        template = Template(tuple(chunks), None, "text/x", media_playlist=False)
        whole = template.render(ticket)
        assert template.size(ticket) == len(whole)
        wanted = range(min(start, len(whole)), min(start + length, len(whole)))
        pieces = list(template.pieces(ticket, wanted))
        assert b"".join(pieces) == whole[wanted.start : wanted.stop]
        assert all(len(piece) < 8 + 9 for piece in pieces)
