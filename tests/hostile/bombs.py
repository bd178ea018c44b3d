"""Manifests that are small to send and large to read, or large in a way that no honest one is."""

from collections.abc import Iterator, Mapping

from tests.support.origin import DASH, HLS

# So much that what takes its square of time would never end, and what is read once ends soon.
MANY, MOST = 15_000, 1_000_000
LONG, LONGEST = 2**19, 10 * 2**20
MEDIA = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n"
SEGMENT = "#EXTINF:4,\na.ts\n"
VARIANT = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1"
DEFINED = f'{MEDIA}#EXT-X-DEFINE:NAME="a",VALUE="b"\n#EXTINF:4,\n'
TYPE = "<!DOCTYPE MPD ["
LISTED = "<MPD><Period><AdaptationSet>"
LISTED_END = "</AdaptationSet></Period></MPD>"

# How each begins, what is in it how often (%d: the how manieth), and how it ends.
Parts = tuple[str, str, int, str]

PLAYLISTS: Mapping[str, Parts] = {
    "a million comments": (MEDIA, "# x\n", MOST, SEGMENT),
    "a million empty lines": (MEDIA, "\n", MOST, SEGMENT),
    "a million lines of segments": (MEDIA, SEGMENT, MOST // 2, ""),
    "many parts": (MEDIA, '#EXT-X-PART:DURATION=1,URI="a"\n', MANY, ""),
    "many variables": (MEDIA, '#EXT-X-DEFINE:NAME="a",VALUE="b"\n', MANY, SEGMENT),
    "many dates": (MEDIA, '#EXT-X-DATERANGE:ID="a",X-ASSET-URI="b"\n', MANY, SEGMENT),
    "many variants": (VARIANT, "\na.m3u8\n#EXT-X-STREAM-INF:A=1", MANY, "\na.m3u8\n"),
    "a name of 10 MiB": (f"{MEDIA}#EXTINF:4,\n", "a", LONGEST, "\n"),
    "a name of slashes": (f"{MEDIA}#EXTINF:4,\n", "/a", LONG, "\n"),
    "a name of dots": (f"{MEDIA}#EXTINF:4,\n", "../", LONG, "\n"),
    "a name of escapes": (f"{MEDIA}#EXTINF:4,\n", "%41", LONG, "\n"),
    "a long query": (f"{MEDIA}#EXTINF:4,\na.ts?", "a&", LONG, "\n"),
    "a tag of 10 MiB": (f"{MEDIA}#EXT-X-", "A", LONGEST, f"\n{SEGMENT}"),
    "a long title": (f"{MEDIA}#EXTINF:4,", "a", LONG, "\na.ts\n"),
    "a long duration": (f"{MEDIA}#EXTINF:", "9", LONG, ",\na.ts\n"),
    "a line of blanks": (MEDIA, " ", LONG, f"\n{SEGMENT}"),
    "a line of tabs before a name": (f"{MEDIA}#EXTINF:4,\n", "\t", LONG, "a.ts\n"),
    "a line of carriage returns": (MEDIA, "\r", LONG, f"\n{SEGMENT}"),
    "commas": (VARIANT, ",", LONG, "\na.m3u8\n"),
    "quotes": (VARIANT, ',A="', LONG // 4, "\na.m3u8\n"),
    "attributes": (VARIANT, ",A=1", LONG // 4, "\na.m3u8\n"),
    "a quote that does not end": (f'{VARIANT},A="', "a", LONG, "\na.m3u8\n"),
    "a name of an attribute": (f"{VARIANT},", "A", LONG, "\na.m3u8\n"),
    "variables in a name": (DEFINED, "{$a}", LONG, "\n"),
    "braces": (DEFINED, "{$", LONG, "\n"),
}
MPDS: Mapping[str, Parts] = {
    "a billion laughs": (
        f'{TYPE}<!ENTITY a0 "ha"><!ENTITY a1 "&a0;&a0;&a0;&a0;&a0;&a0;&a0;&a0;&a0;&a0;">',
        '<!ENTITY b%d "&a1;&a1;&a1;&a1;&a1;&a1;&a1;&a1;">',
        9,
        "]><MPD>&b8;</MPD>",
    ),
    "an entity used many times": (f'{TYPE}<!ENTITY a "xx">]><MPD>', "&a;", MANY, "</MPD>"),
    "an entity from a file": (
        f'{TYPE}<!ENTITY a SYSTEM "file:///etc/passwd">]><MPD><BaseURL>&a;</BaseURL></MPD>',
        *("", 0, ""),
    ),
    "an entity from a server": (
        f'{TYPE}<!ENTITY a SYSTEM "http://127.0.0.1:9/">]><MPD>&a;</MPD>',
        *("", 0, ""),
    ),
    "a parameter entity": (
        f'{TYPE}<!ENTITY % a SYSTEM "http://127.0.0.1:9/">%a;]><MPD/>',
        *("", 0, ""),
    ),
    "a document type from a server": (
        '<!DOCTYPE MPD SYSTEM "http://127.0.0.1:9/"><MPD/>',
        *("", 0, ""),
    ),
    "a document type that does not end": (TYPE, "<!ENTITY a 'b'>", MANY, ""),
    "depth": ("<MPD>", "<Period>", MANY, ""),
    "a million periods": ("<MPD>", "<Period/>", MOST, "</MPD>"),
    "many bases": ("<MPD>", "<BaseURL>a/</BaseURL>", MANY, "<Period/></MPD>"),
    "many segments": (
        *(f"{LISTED}<SegmentList>", "<SegmentURL media='a'/>", MANY),
        f"</SegmentList>{LISTED_END}",
    ),
    "many attributes": ("<MPD", ' a%d="1"', MANY, "/>"),
    "many namespaces": ("<MPD", ' xmlns:a%d="b"', MANY, "/>"),
    "an attribute of 10 MiB": ('<MPD a="', "a", LONGEST, '"><Period/></MPD>'),
    "a long base": ("<MPD><BaseURL>", "a/", LONG, "</BaseURL><Period/></MPD>"),
    "a long template": (
        *(f"{LISTED}<SegmentTemplate media='", "$Number$", LONG // 8),
        f"'/><Representation/>{LISTED_END}",
    ),
    "a long comment": ("<MPD><!--", "a", LONG, "--><Period/></MPD>"),
    "a long name": ("<MPD><", "a", LONG, "/></MPD>"),
    "a text in many pieces": ("<MPD><BaseURL>", "a<!---->", MANY, "</BaseURL><Period/></MPD>"),
    "blanks in a tag": ("<MPD", " ", LONG, "><Period/></MPD>"),
    "references": ("<MPD><BaseURL>", "&#x41;", MANY, "</BaseURL><Period/></MPD>"),
    "a long duration": ('<MPD mediaPresentationDuration="PT', "9", LONG, 'S"><Period/></MPD>'),
}


def bombs() -> Iterator[tuple[str, str, str, str]]:
    """Give each, made when it is asked for: its name, its path's extension, its type and itself."""
    for kinds, extension, content_type in ((PLAYLISTS, "m3u8", HLS), (MPDS, "mpd", DASH)):
        for name, (head, unit, times, tail) in kinds.items():
            inside = "".join(unit % n for n in range(times)) if "%d" in unit else unit * times
            yield f"{extension}: {name}", extension, content_type, head + inside + tail
