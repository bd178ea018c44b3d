import pytest

from proxy.manifests.pathways import common_pathway


def multivariant(*variants: tuple[str, str]) -> bytes:
    lines = (f"#EXT-X-STREAM-INF:{attributes}\n{uri}\n" for attributes, uri in variants)
    return ("#EXTM3U\n" + "".join(lines)).encode()


@pytest.mark.parametrize(
    ("variants", "pathway"),
    [
        ([("BANDWIDTH=1", "low.m3u8"), ("BANDWIDTH=2", "high.m3u8")], b"."),
        ([('BANDWIDTH=1,PATHWAY-ID="."', "low.m3u8"), ("BANDWIDTH=2", "high.m3u8")], b"."),
        ([('BANDWIDTH=1,PATHWAY-ID="east"', "low.m3u8")], b"east"),
        # One rendition listed with each of its sounds is no redundancy: it is the same playlist.
        ([('BANDWIDTH=1,AUDIO="en"', "v.m3u8"), ('BANDWIDTH=1,AUDIO="fr"', "v.m3u8")], b"."),
    ],
)
def test_variants_in_one_place_have_one_pathway(
    variants: list[tuple[str, str]], pathway: bytes
) -> None:
    assert common_pathway(multivariant(*variants)) == pathway


@pytest.mark.parametrize(
    "variants",
    [
        [],
        [("BANDWIDTH=1", "a/low.m3u8"), ("BANDWIDTH=1", "b/low.m3u8")],
        [('AUDIO="a",BANDWIDTH=1', "a/low.m3u8"), ('BANDWIDTH=1,AUDIO="b"', "b/low.m3u8")],
        [
            ('BANDWIDTH=1,STABLE-VARIANT-ID="v"', "a/low.m3u8"),
            ('BANDWIDTH=2,STABLE-VARIANT-ID="v"', "b/low.m3u8"),
        ],
        [
            ('BANDWIDTH=1,PATHWAY-ID="east"', "a/low.m3u8"),
            ('BANDWIDTH=1,PATHWAY-ID="west"', "b/low.m3u8"),
        ],
        [('BANDWIDTH=1,PATHWAY-ID="{$where}"', "low.m3u8")],
        [('BANDWIDTH="1', "low.m3u8")],
    ],
)
def test_redundant_or_scattered_variants_have_none(variants: list[tuple[str, str]]) -> None:
    assert common_pathway(multivariant(*variants)) is None


def test_blank_lines_and_other_tags_may_stand_before_a_variants_uri() -> None:
    body = b"#EXTM3U\r\n#EXT-X-STREAM-INF:BANDWIDTH=1\r\n\r\n# a remark\r\n low.m3u8\r\n"
    assert common_pathway(body) == b"."
