"""What a Common Access Token restricts itself to (CTA-5007): methods, URIs, networks. Pure.

The numbers are those IANA has registered (CBOR Web Token Claims, 308 to 324) and those of CTA-5007
within a claim. A claim that restricts a token and cannot be checked here makes it invalid.
"""

import hashlib
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_network

from proxy.credentials.cbor import Tag, Value
from proxy.credentials.patterns import MAX_PROGRAM, Pattern

CATREPLAY, CATV, CATNIP, CATU, CATM = 308, 310, 311, 312, 313
VERSION = 1
REUSE_PERMITTED = 0
# What restricts a token to what is not known here. Others (catr, catif, catifdata) say how to renew
# a token and what to answer instead of a refusal: tickets take care of the one, a problem document
# is the other.
UNCHECKABLE = {
    8: "cnf",
    41: "or",
    42: "nor",
    43: "and",
    44: "enc",
    45: "crit",
    282: "geohash",
    309: "catpor",
    314: "catalpn",
    315: "cath",
    316: "catgeoiso3166",
    317: "catgeocoord",
    318: "catgeoalt",
    319: "cattpk",
    321: "catdpop",
    324: "cattprint",
}
# All that restrict a token, by name.
RESTRICTING = {*UNCHECKABLE.values(), "catreplay", "catv", "catnip", "catu", "catm"}
# RFC 9164: an address, or a prefix of one that may leave out zeros at its end. Bytes of an address.
ADDRESS_TAGS = {52: 4, 54: 16}

HOST = re.compile(r"(.*?)(?::(\d+))?", re.DOTALL)
DEFAULT_PORTS = {"http": "80", "https": "443"}

Match = Callable[[str], bool]

# The kinds of matches within catu, the regular expression aside.
COMPARED: dict[int, Callable[[str, str], bool]] = {
    0: operator.eq,
    1: str.startswith,
    2: str.endswith,
    3: operator.contains,
}
DIGESTS = {-1: "sha256", -2: "sha512_256"}


@dataclass(frozen=True, slots=True)
class CatScope:
    """Methods, where there are any, and rules on the parts of a URI, all of which hold."""

    methods: frozenset[str] | None
    rules: tuple[tuple[int, Match], ...]

    def permits(self, method: str, uri: str) -> bool:
        """Tell whether the token is good for a request."""
        if self.methods is not None and method not in self.methods:
            return False
        parts = parts_of(uri) if self.rules else ()
        return all(matches(parts[part]) for part, matches in self.rules)


def parts_of(uri: str) -> tuple[str, ...]:
    """Give the parts of a URI in the order of their numbers in ``catu``.

    Scheme, host, port, path, query, parent path, file name, stem, extension: the port always as a
    number, the extension with its dot, the last there is in the file name.
    """
    # Not by urlsplit, which raises at hosts that it does not know.
    scheme, _, rest = uri.partition("://")
    location, _, query = rest.partition("?")
    authority, slash, path = location.partition("/")
    host, port = HOST.fullmatch(authority).groups()  # type: ignore[union-attr]  # any text does
    parent, _, name = (path := slash + path).rpartition("/")
    stem, dot, extension = name.rpartition(".")
    return (
        *(scheme, host, port or DEFAULT_PORTS.get(scheme, ""), path, query),
        *(parent, name, *((stem, dot + extension) if dot else (name, ""))),
    )


def scope(claims: Mapping[int | str, Value]) -> CatScope | None:
    """Read what a token is good for; None where that is everything.

    Raises:
        ValueError: a claim is malformed, or cannot be checked.
    """
    if claims.get(CATV, VERSION) != VERSION:
        raise ValueError("of another version")
    if claims.get(CATREPLAY, REUSE_PERMITTED) != REUSE_PERMITTED:
        raise ValueError("for one use, which is not kept account of")
    if found := [name for claim, name in UNCHECKABLE.items() if claim in claims]:
        raise ValueError(f"restricted by the claim {found[0]!r}, which cannot be checked")
    methods = _methods(claims[CATM]) if CATM in claims else None
    rules = tuple(_rules(claims[CATU])) if CATU in claims else ()
    return None if methods is None and not rules else CatScope(methods, rules)


def networks(claims: Mapping[int | str, Value]) -> tuple[str, ...]:
    """Give the networks of ``catnip`` in CIDR notation; none means any.

    The number of an autonomous system allows nothing here, where only addresses are known.

    Raises:
        ValueError: it is malformed, or names autonomous systems alone.
    """
    if CATNIP not in claims:
        return ()
    match claims[CATNIP]:
        case list(entries) if found := [_network(each) for each in entries if not _is_asn(each)]:
            return tuple(found)
    raise ValueError("catnip names no network that can be checked")


def _is_asn(entry: Value) -> bool:
    return isinstance(entry, int) and not isinstance(entry, bool)


def _network(entry: Value) -> str:
    match entry:
        case Tag(number, bytes(address)) if len(address) == ADDRESS_TAGS.get(number):
            return str(ip_network(address))
        case Tag(number, [int(length), bytes(prefix)]) if number in ADDRESS_TAGS:
            full = ADDRESS_TAGS[number]
            if 0 <= length <= full * 8 and len(prefix) <= full:
                return str(ip_network((prefix.ljust(full, b"\0"), length), strict=False))
    raise ValueError("catnip holds what is no network")


def _methods(value: Value) -> frozenset[str]:
    match value:
        case list(methods) if all(isinstance(method, str) for method in methods):
            return frozenset(map(str, methods))
    raise ValueError("catm is no list of methods")


def _rules(value: Value) -> Iterator[tuple[int, Match]]:
    """Read ``catu``; one that says nothing was meant to restrict the token, like any other."""
    cost = 0
    for part, matches in _filled(value):
        if part not in range(9):
            raise ValueError("catu is no map of the parts of a URI")
        for kind, wanted in _filled(matches):
            found = _match(kind, wanted)
            cost += found.cost if isinstance(found, Pattern) else 0
            if cost > MAX_PROGRAM:
                raise ValueError("the regular expressions are too costly")
            yield int(part), found.matches if isinstance(found, Pattern) else found


def _filled(value: Value) -> Iterable[tuple[int | str, Value]]:
    if not isinstance(value, dict) or not value:
        raise ValueError("catu is no map of the parts of a URI")
    return value.items()


def _match(kind: int | str, wanted: Value) -> Match | Pattern:
    match kind, wanted:
        case int(), str(text) if kind in COMPARED:
            compare = COMPARED[kind]
            return lambda part: compare(part, text)
        case 4, [str(text)]:
            return Pattern(text)
        case int(), bytes(digest) if kind in DIGESTS:
            empty = hashlib.new(DIGESTS[kind])  # not every build has all
            return lambda part: _digest(empty, part) == digest
    raise ValueError("catu asks for a match that is not known")


def _digest(empty: "hashlib._Hash", text: str) -> bytes:
    found = empty.copy()
    found.update(text.encode())
    return found.digest()
