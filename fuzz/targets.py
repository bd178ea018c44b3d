"""One function for each parser: it returns, whatever it is given, or something is wrong.

What a parser is documented to raise is caught here; what must hold of what it gives is asserted.
"""

import base64
import hashlib
import hmac
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

from multidict import CIMultiDict

from proxy.credentials.account import AccountNames
from proxy.credentials.cat import CatVerifier
from proxy.credentials.keys import KeyRing
from proxy.credentials.ticket import Tickets
from proxy.credentials.token import TokenRules, TokenVerifier
from proxy.errors import BadRequest, OriginInvalid, PlaygateError, Unauthenticated
from proxy.jwks import parse
from proxy.manifests.compiler import compile_manifest
from proxy.manifests.kinds import Format
from proxy.manifests.links import Links
from proxy.manifests.template import Template
from proxy.model import Request, Subject, Token
from proxy.paths import canonical
from proxy.playback.device import MAX_HINT_LENGTH, MAX_LABEL_LENGTH, hints
from proxy.playback.identity import MAX_CONTENT_LENGTH, content_of, start
from proxy.settings.load import ConfigError, Draft, from_mapping
from proxy.settings.source import read_source
from proxy.token_keys import fixed_keys
from proxy.web.addresses import TrustedProxies
from proxy.web.target import parse_target
from tests.manifests.world import Mode, links
from tests.settings.samples import minimal
from tests.support.cats import envelope
from tests.support.signing import NETWORKS, SIGNED_URIS
from tests.support.stack import JWT_SECRET

CORPUS = Path(__file__).with_name("corpus")
# A manifest's first byte says how the segments of its route are guarded, so that all is tried.
MODES: Mapping[int, Mode] = {ord("o"): "open", ord("d"): "direct", ord("n"): "deny"}
SLOT = re.compile(rb"[?&](?:amp;)?_sid=[0-9a-f]{16}\.\Z")
# What is put in, or put elsewhere, beside tickets: values of variables, our name for an origin's.
REWRITES = (b"DEFINE", b"origin-", b"_sid", b"play.example", b"\\", b"//")

KEYS = [{"algorithm": "HS256", "secret": JWT_SECRET}]
RING = KeyRing(tuple(fixed_keys(from_mapping(minimal(auth={"keys": KEYS})).auth)))
RULES = TokenRules(issuers=(), listed={"tier": frozenset({"gold"})})
TOKENS = TokenVerifier(RING, RULES, AccountNames(b"a" * 32), SIGNED_URIS)
CATS = CatVerifier(RING, RULES, TOKENS, NETWORKS, time.time)
TICKETS = Tickets(b"t" * 32, 3600.0, time.time)
PROXIES = TrustedProxies(["10.0.0.0/8"])
VIEWER = Token(Subject("a" * 32), expires_at=0)


def hls(data: bytes) -> None:
    """A playlist is compiled or refused, and all that is not a link is served as it came."""
    body, mode, template = _compiled(data, Format.HLS)
    if template is None:
        return
    if mode != "direct" and not any(word in body for word in REWRITES):
        plain = b"".join(SLOT.sub(b"", chunk) for chunk in template.chunks)
        assert plain.replace(b"?", b"") == body.replace(b"?", b"")


def dash(data: bytes) -> None:
    """An MPD is compiled or refused, and what is served is one that stays as it is."""
    _, mode, template = _compiled(data, Format.DASH)
    if template is None:
        return
    world = _world(mode)
    again = compile_manifest(template.render(b"T"), Format.DASH, world).render(b"T")
    assert compile_manifest(again, Format.DASH, world).render(b"T") == again


def _compiled(data: bytes, form: Format) -> tuple[bytes, Mode, Template | None]:
    mode = MODES.get(data[0], "signed") if data else "signed"
    body = data[1:]
    try:
        template = compile_manifest(body, form, _world(mode))
    except OriginInvalid as error:
        assert b"origin-" not in error.detail.encode()
        return body, mode, None
    assert all(map(SLOT.search, template.chunks[:-1]))
    whole = template.render(b"ticket")
    assert template.size(b"ticket") == len(whole)
    half = range(len(whole) // 2)
    assert b"".join(template.pieces(b"ticket", half)) == whole[half.start : half.stop]
    return body, mode, template


def _world(mode: Mode) -> Links:
    plain = links("/live/a/m.mpd", {"/live/**": mode, "/open/**": "open"})
    # Of the form of real ones; those that tests can read may hold what ends a parameter.
    return replace(
        plain,
        seal=lambda scope: blake2b(
            scope.encode("utf-8", "surrogateescape"), digest_size=8
        ).hexdigest(),
    )


def token(data: bytes) -> None:
    """A token is good or refused: as it stands, and as claims that are signed."""
    header = base64.urlsafe_b64encode(b'{"alg":"HS256"}').rstrip(b"=")
    signed = header + b"." + base64.urlsafe_b64encode(data).rstrip(b"=")
    mac = hmac.digest(JWT_SECRET.encode(), signed, hashlib.sha256)
    made = signed + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")
    for text in (_text(data), made.decode()):
        try:
            found = TOKENS.verify(text)
        except PlaygateError as error:
            assert isinstance(error, Unauthenticated)
            assert len(error.detail) < 300
        else:
            assert text == made.decode()
            assert re.fullmatch("[0-9a-f]{32}", found.subject.account)


def cat(data: bytes) -> None:
    """The same of a Common Access Token."""
    raw = base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    for text in (_text(data), raw, envelope(data)):
        try:
            CATS.verify(text)
        except PlaygateError as error:
            assert isinstance(error, Unauthenticated)


def ticket(data: bytes) -> None:
    """No text is a ticket."""
    for text in (_text(data), f"seal.{_text(data)}"):
        try:
            TICKETS.read(text)
        except Unauthenticated:
            continue
        raise AssertionError("a ticket that was never made")


def jwks(data: bytes) -> None:
    """A key set holds keys that can be used, or is refused."""
    try:
        found = parse(data, ("RS256", "ES256", "EdDSA"))
    except ValueError as error:
        assert len(str(error)) < 4096
    else:
        assert found.keys


def config(data: bytes) -> None:
    """A file is a configuration, or is told where it is none."""
    text = data.decode("utf-8", "replace")
    # No name that is made up here may lead out of a folder that is not there.
    if "/" in text.replace("/live/", "").replace("//", "") and "_file" in text:
        return
    draft = Draft(Path("nowhere/playgate.yaml"), read_source(text, {"X": "canary-of-a-variable"}))
    try:
        draft.settings()
    except ConfigError as error:
        assert error.problems
        assert "canary" not in str(error)


def cmcd(data: bytes) -> None:
    """What a request says of its device is short and fit to be shown, or not there."""
    text = _text(data)
    for headers, query in (
        ({"CMCD-Session": text, "User-Agent": text}, ""),
        ({"X-Playback-Session-Id": text}, ""),
        ({}, f"CMCD={text}"),
    ):
        request = Request("GET", "http", "tv", "/a", query, CIMultiDict(headers), text)
        found = hints(request)
        assert len(found.session or "") <= MAX_HINT_LENGTH
        playback = start(VIEWER, found, content="tv/a", route="live")
        assert re.fullmatch("[0-9a-f]{24}", playback.stream)
        assert len(playback.label) <= MAX_LABEL_LENGTH
        assert playback.label.isprintable()


def target(data: bytes) -> None:
    """A path that is accepted has one spelling, and stays below where it is."""
    text = _text(data)
    PROXIES.host("10.0.0.1", "http", text, CIMultiDict({"X-Forwarded-Host": text}))
    PROXIES.viewer("10.0.0.1", CIMultiDict({"X-Forwarded-For": text}))
    for package in (None, "URISigningPackage"):
        try:
            found = parse_target(text, package)
        except BadRequest:
            continue
        assert canonical(found.path) == found.path
        assert ".." not in found.path.split("/")
        assert not re.search(r"//|\\|[^\x21-\x7e]|%2f|%5c|%00", found.path, re.IGNORECASE)
        assert len(content_of("tv", found.path, found.query, {"a"})) <= MAX_CONTENT_LENGTH


def _text(data: bytes) -> str:
    """Give bytes as aiohttp gives those of a request."""
    return data.decode("utf-8", "surrogateescape")


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    function.__name__: function
    for function in (hls, dash, token, cat, ticket, jwks, config, cmcd, target)
}


def corpus(name: str) -> Iterator[Path]:
    """Give the files that a target begins with."""
    return iter(sorted((CORPUS / name).iterdir()))


if __name__ == "__main__":
    sys.stdout.write("\n".join(TARGETS) + "\n")
