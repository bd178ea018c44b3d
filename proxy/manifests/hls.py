"""HLS playlists (RFC 8216 and its successor draft) compiled to templates, line by line, on bytes.

    URI lines                               in a multivariant playlist: manifests
                                            in a media playlist: segments
    MEDIA, I-FRAME-STREAM-INF,
    IMAGE-STREAM-INF, RENDITION-REPORT      manifests
    KEY, SESSION-KEY, MAP, PART,
    PRELOAD-HINT, SESSION-DATA              segments
    SERVER-URI of CONTENT-STEERING          our steering server, in front of the origin's
    X-ASSET-URI, X-ASSET-LIST of DATERANGE  only ever rid of an origin's address: such assets are
                                            playbacks of their own, which this stream's ticket must
                                            not open

A multivariant playlist without a steering server is given ours, and each variant the pathway, or
VHS asks once and never again. One whose variants are on several pathways is left as it is.

All links go through one function: Media3 compares a rendition report with the playlist's own URI as
text. Of all else, only an origin's host is replaced by ours.

Variables (EXT-X-DEFINE) that the playlist itself defines are put in wherever a URI is rewritten.
Imported ones and query parameters are known to the player alone: a segment below a folder that is
certain still gets its ticket, anything else is left as it is. A query parameter that carries a
credential is no variable, but an empty text.

A playlist that is no playlist is refused whole, with the line where it breaks.
"""

import re
from collections.abc import Mapping

from proxy.errors import OriginInvalid
from proxy.manifests import timing
from proxy.manifests.addresses import hider
from proxy.manifests.attributes import read_attributes
from proxy.manifests.kinds import BYTE_ORDER_MARK
from proxy.manifests.linker import Linker, Parts
from proxy.manifests.links import Holes, Links, Role
from proxy.manifests.pathways import NAME, common_pathway
from proxy.manifests.steering import steering_link
from proxy.manifests.template import Template, TemplateBuilder

CONTENT_TYPE = "application/vnd.apple.mpegurl"

BLANKS = " \t\r"
FIRST_LINE = re.compile(rb"#EXTM3U(?=[ \t\r\n]|$)")
EXTINF = b"\n#EXTINF:"
STREAM_INF = b"#EXT-X-STREAM-INF"
STEERING = b"#EXT-X-CONTENT-STEERING"
DEFINE = b"#EXT-X-DEFINE"
# The attributes that are links, by tag, and what they stand for.
LINKS: Mapping[bytes, Mapping[bytes, Role]] = {
    b"#EXT-X-MEDIA": {b"URI": Role.MANIFEST},
    b"#EXT-X-I-FRAME-STREAM-INF": {b"URI": Role.MANIFEST},
    b"#EXT-X-IMAGE-STREAM-INF": {b"URI": Role.MANIFEST},
    b"#EXT-X-RENDITION-REPORT": {b"URI": Role.MANIFEST},
    b"#EXT-X-SESSION-DATA": {b"URI": Role.SEGMENT},
    b"#EXT-X-SESSION-KEY": {b"URI": Role.SEGMENT},
    b"#EXT-X-KEY": {b"URI": Role.SEGMENT},
    b"#EXT-X-MAP": {b"URI": Role.SEGMENT},
    b"#EXT-X-PART": {b"URI": Role.SEGMENT},
    b"#EXT-X-PRELOAD-HINT": {b"URI": Role.SEGMENT},
    STEERING: {b"SERVER-URI": Role.STEERING},
    b"#EXT-X-DATERANGE": {b"X-ASSET-URI": Role.ADDRESS, b"X-ASSET-LIST": Role.ADDRESS},
}
# A playlist with tags of both kinds must not be played (RFC 8216 §4.3.3, §4.3.4). ENDLIST,
# PLAYLIST-TYPE and KEY do stand in multivariant playlists that every player plays.
MULTIVARIANT_ONLY = (
    STREAM_INF,
    b"#EXT-X-MEDIA",
    b"#EXT-X-I-FRAME-STREAM-INF",
    b"#EXT-X-IMAGE-STREAM-INF",
    b"#EXT-X-SESSION-DATA",
    b"#EXT-X-SESSION-KEY",
)
MEDIA_ONLY = (
    timing.TARGETDURATION,
    b"#EXT-X-MAP",
    b"#EXT-X-PART",
    b"#EXT-X-PRELOAD-HINT",
    b"#EXT-X-RENDITION-REPORT",
)
TAGS = dict.fromkeys((*LINKS, STREAM_INF, DEFINE, *timing.TAGS))
# What of a playlist is read: these tags and the URI lines. The rest is most of a long playlist.
LINE = re.compile(
    rb"\n(?:(%s)(?=[:\s]|$):?([^\n]*)|[ \t]*([^#\s][^\n]*))" % b"|".join(map(re.escape, TAGS))
)
# Durations are read all at once.
SEGMENT_DURATION = re.compile(EXTINF + timing.DURATION)
VARIABLE = re.compile(r"\{\$([A-Za-z0-9_-]+)\}")
# A player's value for a variable may hold anything, another host included.
VARIABLES = Holes(VARIABLE, tame=False, flat=False)
# Characters that variables may add up to: one long value, used often, must not fill the memory.
MAX_EXPANSION = 2**20


def compile_hls(body: bytes, links: Links) -> Template:
    """Compile a playlist.

    Raises:
        OriginInvalid: it breaks the rules that players depend on.
    """
    return _Compiler(body, links).compile()


class _Compiler:
    """One walk over one playlist."""

    def __init__(self, body: bytes, links: Links) -> None:
        self._body = body
        self._builder = TemplateBuilder(body, hider(links))
        self._links = links
        self._linker = Linker(links)
        self._multivariant = any(b"\n%s:" % name in body for name in MULTIVARIANT_ONLY)
        self._at = 0  # the beginning of the line that is read
        self._last_uri = 0
        self._awaited: int | None = None  # the beginning of a STREAM-INF line without its URI yet
        self._pathway = b""  # the attribute each variant needs, where it is steered by us
        self._variables: dict[str, str] = {}
        self._expansion = 0
        self._timing = timing.Timing()

    def compile(self) -> Template:
        if not FIRST_LINE.match(self._body.removeprefix(BYTE_ORDER_MARK)):
            raise self._broken("a playlist begins with #EXTM3U")
        length = self._read_durations()
        if self._multivariant and b"\n%s:" % STEERING not in self._body:
            self._steer()
        for match in LINE.finditer(self._body):
            self._at = match.start() + 1
            tag, value, uri = match.groups()
            if uri is None:
                self._read_tag(tag, value, match.start(2))
            else:
                self._awaited = None
                self._last_uri = self._at
                role = Role.MANIFEST if self._multivariant else Role.SEGMENT
                self._rewrite(match.start(3), uri, role)
        self._check_end()
        return Template(
            chunks=self._builder.chunks(),
            pace=None if self._multivariant else self._timing.pace(length),
            content_type=CONTENT_TYPE,
            media_playlist=not self._multivariant,
            fresh_for=None if self._multivariant else self._timing.fresh_for(),
        )

    def _read_durations(self) -> float:
        """Give the sum of all segments' durations, in seconds."""
        found = SEGMENT_DURATION.findall(self._body)
        if len(found) < self._body.count(EXTINF) or (found and self._multivariant):
            good = {match.start() for match in SEGMENT_DURATION.finditer(self._body)}
            every = (match.start() for match in re.finditer(EXTINF, self._body))
            self._at = 1 + next(at for at in every if self._multivariant or at not in good)
            raise self._broken("#EXTINF needs a duration, and a media playlist around it")
        return sum(map(float, found))

    def _read_tag(self, tag: bytes, value: bytes, position: int) -> None:
        if tag in (MEDIA_ONLY if self._multivariant else MULTIVARIANT_ONLY):
            raise self._broken(f"{tag.decode()} has no place in this kind of playlist")
        if roles := LINKS.get(tag):
            for name, text, start in self._attributes(value):
                if role := roles.get(name):
                    self._rewrite(position + start, text, role)
        elif tag == STREAM_INF:
            self._check_awaited()
            self._awaited = self._at
            self._place_variant(value, position)
        elif tag == DEFINE:
            self._read_definition(value, position)
        else:
            self._read_timing(tag, value)

    def _read_timing(self, tag: bytes, value: bytes) -> None:
        try:
            self._timing.read(tag, value)
        except ValueError as error:
            raise self._broken(str(error)) from error

    def _read_definition(self, value: bytes, position: int) -> None:
        given = {name: text for name, text, _ in self._attributes(value)}
        if b"NAME" in given and b"VALUE" in given:
            self._variables[_text(given[b"NAME"])] = _text(given[b"VALUE"])
        param = given.get(b"QUERYPARAM", b"")
        if _text(param) in self._links.private:
            # Put into a link, a credential would get to whoever the link leads to.
            end = position + len(value.rstrip(b" \t\r"))
            self._builder.replace(position, end, b'NAME="%s",VALUE=""' % param)
            self._variables[_text(param)] = ""

    def _attributes(self, value: bytes) -> list[tuple[bytes, bytes, int]]:
        """Give each attribute's name, its text without quotes, and where that begins."""
        try:
            return read_attributes(value)
        except ValueError as error:
            raise self._broken(str(error)) from error

    def _steer(self) -> None:
        """Name our steering server behind the first line, if there is one pathway to steer to."""
        pathway = common_pathway(self._body)
        if pathway is None:
            return
        link = steering_link(self._links, self._linker, pathway=_text(pathway), relative=True)
        if link is None:
            return
        url, rest = map(_bytes, link)
        self._pathway = b'%s="%s"' % (NAME, pathway)
        at = self._body.index(b"\n") + 1
        line_end = b"\r\n" if self._body[:at].endswith(b"\r\n") else b"\n"
        self._builder.replace(
            at, at, STEERING + b':SERVER-URI="' + url, rest + b'",' + self._pathway + line_end
        )

    def _place_variant(self, value: bytes, position: int) -> None:
        if self._pathway and all(name != NAME for name, _, _ in self._attributes(value)):
            listed = value.rstrip(b" \t\r,")
            at = position + len(listed)
            self._builder.replace(at, at, (b"," if listed else b"") + self._pathway)

    def _rewrite(self, start: int, raw: bytes, role: Role) -> None:
        spelled = _text(raw)
        uri = spelled.strip(BLANKS)
        parts = self._linked(uri, role)
        if parts is not None:
            start += len(spelled) - len(spelled.lstrip(BLANKS))  # blanks are a byte each
            end = start + len(_bytes(uri))
            self._builder.replace(start, end, *map(_bytes, parts))

    def _linked(self, uri: str, role: Role) -> Parts | None:
        holes = VARIABLES if "{$" in uri else None
        if holes:
            uri = self._expanded(uri)
        if role is Role.STEERING and "{$" not in uri:
            link = steering_link(self._links, self._linker, server=uri, relative=True)
            if link is not None:
                return link
        return self._linker.link(uri, role, holes=holes)

    def _expanded(self, uri: str) -> str:
        """Put the values of those variables in that the playlist itself defines."""
        names = [name for name in VARIABLE.findall(uri) if name in self._variables]
        self._expansion += sum(len(self._variables[name]) for name in names)
        if self._expansion > MAX_EXPANSION:
            raise self._broken("its variables grow too long")
        expanded = VARIABLE.sub(lambda match: self._variables.get(match[1], match[0]), uri)
        return expanded.strip(BLANKS)

    def _check_awaited(self) -> None:
        if self._awaited is not None:
            self._at = self._awaited
            raise self._broken("no URI follows #EXT-X-STREAM-INF")

    def _check_end(self) -> None:
        self._check_awaited()
        last = self._body.rfind(EXTINF) + 1
        if last > self._last_uri:
            self._at = last
            raise self._broken("no URI follows #EXTINF")
        if not self._multivariant and self._timing.target is None:
            self._at = 0
            raise self._broken("a media playlist without #EXT-X-TARGETDURATION")

    def _broken(self, reason: str) -> OriginInvalid:
        line = self._body.count(b"\n", 0, self._at) + 1
        return OriginInvalid(f"The origin's playlist is broken at line {line}: {reason}.")


def _text(raw: bytes) -> str:
    """Read UTF-8 so that what is no UTF-8 survives being written back."""
    return raw.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
