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
