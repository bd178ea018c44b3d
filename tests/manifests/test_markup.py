import pytest

from proxy.errors import OriginInvalid
from proxy.manifests.edits import Edits
from proxy.manifests.markup import read

NAMES = ("Period", "BaseURL", "Empty")


def test_elements_are_found_where_they_stand_in_the_bytes() -> None:
    body = (
        '\ufeff<?xml version="1.0"?>\n<!-- <Period> -->\n<m:MPD xmlns:m="urn:x" xmlns:y="urn:y"'
        " m:id='1' id = \"a>b&amp;'c\"\n >ä"
        "<m:Period ><m:BaseURL>é<![CDATA[&x]]>&amp;<!-- c -->y</m:BaseURL >"
        "<y:BaseURL/><y:Other><m:Period/></y:Other><m:Empty/></m:Period></m:MPD>"
    ).encode()
    root = read(body, NAMES)
    assert (root.name, root.tag, root.prefix, root.line) == ("MPD", b"m:MPD", "m:", 3)
    assert root.attributes["id"] == "a>b&'c"
    span = root.attribute_span(body, "id")
    assert span is not None
    assert body[slice(*span)] == b'"a>b&amp;\'c"'
    assert root.attribute_span(body, "absent") is None
    (period,) = root.children
    base, empty = period.children
    assert base.text == "é&x&y"
    assert body[base.inside : base.inside_end] == "é<![CDATA[&x]]>&amp;<!-- c -->y".encode()
    assert body[base.start : base.end].endswith(b"y</m:BaseURL >")
    assert body[empty.start : empty.end] == b"<m:Empty/>"
    assert empty.is_empty
    assert empty.inside == empty.inside_end == empty.end
    assert body[period.start :].startswith(b"<m:Period >")
    assert body[period.end :] == b"</m:MPD>"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "line 1: it is no well-formed XML"),
        (b"<MPD>\n<Period>\n</MPD>", "line 3: it is no well-formed XML"),
        (b"<MPD>\n<Period", "line 2: it is no well-formed XML"),
        (b"<MPD/>\n<MPD/>", "line 2: it is no well-formed XML"),
        (b"<MPD>\n&x;</MPD>", "line 2: it is no well-formed XML"),
        (b"<MPD x:a='1'/>", "line 1: it is no well-formed XML"),
        (b'<MPD a="\xff"/>', "line 1: it is no well-formed XML"),
        ("<MPD></MPD>".encode("utf-16"), "line 1: it is no UTF-8"),
        ("<MPD></MPD>".encode("utf-16-le"), "line 1: it is no UTF-8"),
        (b"\n<!DOCTYPE MPD>\n<MPD/>", "line 2: it declares a document type"),
        (
            b'<!DOCTYPE x [<!ENTITY a "b"><!ENTITY c "&a;&a;">]>\n<MPD>&c;</MPD>',
            "line 1: it declares a document type",
        ),
        (
            b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><MPD>&f;</MPD>',
            "line 1: it declares a document type",
        ),
        (b"<MPD>" + b"\n<a>" * 64, "line 65: it nests too deep"),
    ],
)
def test_what_is_no_plain_xml_is_refused_with_its_line(body: bytes, reason: str) -> None:
    with pytest.raises(OriginInvalid, match=reason):
        read(body, NAMES)


def test_edits_are_escaped_and_all_around_them_stays() -> None:
    body = (
        b"<a:MPD xmlns:a='u' x='1'> <a:BaseURL>\n old&amp; </a:BaseURL>"
        b"<a:Empty y='' /><a:Period/></a:MPD>"
    )
    root = read(body, NAMES)
    base, empty, period = root.children
    edits = Edits(body)
    edits.insert(period, "New", ("1", "2"), 0)
    edits.set_text(empty, ("<>",))
    edits.set_text(base, ("a&", "'\""))
    edits.set_attribute(root, "x", ("'", '"'))
    edits.set_attribute(root, "z", ("&",))
    edits.insert(root, "Last", ("",), root.inside_end)
    assert b"{}".join(edits.chunks()) == (
        b"<a:MPD z=\"&amp;\" xmlns:a='u' x='&apos;{}&quot;'> "
        b"<a:BaseURL>\n a&amp;{}&apos;&quot; </a:BaseURL>"
        b"<a:Empty y='' >&lt;&gt;</a:Empty><a:Period><a:New>1{}2</a:New></a:Period>"
        b"<a:Last></a:Last></a:MPD>"
    )


def test_a_text_in_pieces_is_replaced_as_a_whole_and_an_element_removed() -> None:
    body = b"<MPD><BaseURL> a<!-- b --><![CDATA[c]]> </BaseURL>-<Empty>x</Empty>-</MPD>"
    root = read(body, NAMES)
    edits = Edits(body)
    edits.set_text(root.children[0], ("new",))
    edits.remove(root.children[1])
    assert edits.chunks() == (b"<MPD><BaseURL>new</BaseURL>--</MPD>",)
