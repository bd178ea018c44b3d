"""How one URI of a manifest is rewritten.

    data:, other schemes, other hosts, no route of ours    left as it is
    absolute on an origin's host                           becomes a public path, even where nothing
                                                           below applies: no viewer learns where an
                                                           origin is
    a manifest                                             gets a ticket
    a segment, by the mode of the route it leads to
        signed                                             gets a ticket, sealed for its directory;
                                                           for the tree below one where that leaves
                                                           open which directory is meant
        direct                                             becomes absolute on segment_base_url
        open, deny                                         left as it is

"Segment" is whatever is no manifest: parts, maps, keys, indexes, session data. The spelling stays:
relative remains relative, percent-encoding remains as it was, and only the query grows, by
``_sid=<seal>.<ticket>``; a stale ``_sid`` is replaced, never doubled. Dot segments are resolved to
look a path up, not to write it, and look-ups and seals use the path as the server will spell it.

In doubt there is no ticket: what lacks one is refused later, and can be asked for again; a ticket
that went to a foreign host cannot be called back.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from proxy.errors import OriginInvalid
from proxy.manifests.kinds import is_manifest_path
from proxy.manifests.links import Base, Holes, Links, Place, Role
from proxy.manifests.paths import common_directory, directory, without_dots
from proxy.manifests.reference import MAX_LENGTH, Owner, Reference, read
from proxy.paths import canonical
from proxy.query import pairs, without

# The text between ticket slots: a single part has no slot.
Parts = tuple[str, ...]

# What most segments are called. Read without taking it apart, or 30,000 of them would take long.
PLAIN = re.compile(
    r"((?:[A-Za-z0-9_~-][A-Za-z0-9._~-]*/)*[A-Za-z0-9_~-][A-Za-z0-9._~-]*)(?:\?([\w.~=&-]*))?",
    re.ASCII,
)
# What a query may hold unencoded; players encode the rest before they ask.
QUERY_SAFE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"#<>')
# A playlist of two days in segments of two seconds has 86,400 links. Each costs microseconds here,
# in DASH for each base it may have. How many may carry a ticket is for the template to say.
MAX_LOOKUPS = 100_000
# What is asked for without a ticket.
ADDRESSES = (Role.ADDRESS, Role.STEERING)
# Stands in a look-up for what only the player knows.
SAMPLE = "1"


@dataclass(frozen=True, slots=True)
class _Aim:
    """One path a URI may lead to.

    ``path`` is spelled as in the manifest, ``target`` as the server will spell it (with samples
    in its holes), ``folder`` is the directory of what stands before the first hole. ``exact``: it
    has no hole; ``flat``: it lies directly in ``folder``, whatever fills its holes.
    """

    path: str
    target: str
    folder: str
    place: Place
    exact: bool
    flat: bool


class Linker:
    """Rewrites the links of one manifest; remembers the seals it has asked for.

    Raises:
        OriginInvalid: (all methods) the manifest has more links than any honest one.
    """

    def __init__(self, links: Links) -> None:
        self.own = Base(links.base)
        self._links = links
        self._folders: dict[Base, str | None] = {}
        self._seals: dict[str, str] = {}
        self._lookups = 0

    def link(
        self,
        uri: str,
        role: Role,
        bases: Sequence[Base] = (),
        holes: Holes | None = None,
    ) -> Parts | None:
        """Give what to write in place of a URI, or None where it is left as it is.

        Args:
            uri: as the manifest means it: unescaped, no blanks around it.
            role: what it stands for; a path that looks like a manifest's is always one.
            bases: all that it may be resolved against; if not given, the manifest itself.
            holes: what of it only the player knows.
        """
        bases = bases or (self.own,)
        self._spend(len(bases))
        if role is Role.SEGMENT and len(bases) == 1 and (plain := PLAIN.fullmatch(uri)):
            name, query = plain.groups()
            folder = self._folder(bases[0])
            is_fresh = query is None or self._links.param not in query
            if folder and is_fresh and len(uri) <= MAX_LENGTH and not is_manifest_path(name):
                return self._link_plain(folder, name, query)
        reference = read(uri, self._links)
        return self._link(reference, role, bases, holes) if reference else None

    def refresh(self) -> Parts:
        """Give the manifest's own URL with a ticket: path, and query as the origin saw it.

        Absolute, because VHS does not resolve it: it would ask whoever served its page.
        """
        path = self._links.base
        head = f"{self._links.public_scheme}://{self._links.public_host}{path}"
        own = Reference(Owner.PUBLIC, head, path, self._links.query or None)
        return self._link(own, Role.MANIFEST, (self.own,), None) or (head + own.tail,)

    def bases(self, uri: str, parents: Sequence[Base]) -> tuple[Base, ...]:
        """Resolve a base URI against each base it may itself be resolved against."""
        self._spend(len(parents))
        reference = read(uri, self._links)
        if reference is None or reference.is_dubious:
            return (Base(None),)
        found: list[Base] = []
        for parent in parents:
            path = self._resolve(reference, reference.path, parent)
            is_usable = path is not None and len(path) <= MAX_LENGTH
            is_same = not reference.path and reference.query is None
            query = parent.query if is_same else reference.query
            found.append(Base(path, query) if is_usable else Base(None))
        return tuple(dict.fromkeys(found))

    def place(self, uri: str, base: Base, holes: Holes | None = None) -> Place | None:
        """Give what serves a URI; None where no route of ours does."""
        reference = read(uri, self._links)
        aims = self._aims(reference, (base,), holes) if reference else ()
        return aims[0].place if aims else None

    def absolute(self, place: Place, base: Base) -> str:
        """Give the URL of a base on the segment_base_url of a place."""
        query = "" if base.query is None else f"?{base.query}"
        return _joined(place, base.path or "/") + query

    def _folder(self, base: Base) -> str | None:
        """Give the directory of a base, if it is one that names can simply be put behind."""
        if base not in self._folders:
            folder = directory(base.path or "")
            is_simple = folder and not base.moved and canonical(folder) == folder
            self._folders[base] = folder if is_simple else None
        return self._folders[base]

    def _link_plain(self, folder: str, name: str, query: str | None) -> Parts | None:
        """Do what ``_link`` does, for a relative segment whose path is canonical as it stands."""
        path = folder + name
        place = self._links.place(path)
        if place is None:
            return None
        if place.segments == "signed":
            known = f"{query}&" if query else ""
            return (f"{name}?{known}{self._sealed(directory(path))}", "")
        if place.segments == "direct":
            return (_joined(place, path) + ("" if query is None else f"?{query}"),)
        return None

    def _link(
        self, reference: Reference, role: Role, bases: Sequence[Base], holes: Holes | None
    ) -> Parts | None:
        head = self._head(reference, bases)
        if head is None:
            return None
        query = self._unsealed(reference.query or "")
        aims = () if role in ADDRESSES else self._aims(reference, bases, holes)
        if role is Role.MANIFEST or any(is_manifest_path(aim.target) for aim in aims):
            scope = _manifest_scope(aims, query)
        else:
            scope = _segment_scope(aims)
            if len(aims) == 1 and aims[0].place.segments == "direct":
                return (_joined(aims[0].place, aims[0].path) + reference.tail,)
        if scope is not None:
            known = f"{query}&" if query else ""
            fragment = "" if reference.fragment is None else f"#{reference.fragment}"
            return (f"{head}?{known}{self._sealed(scope)}", fragment)
        return (head + reference.tail,) if head != reference.head else None

    def _head(self, reference: Reference, bases: Sequence[Base]) -> str | None:
        """Give how a reference is spelled up to its query; None where it must stay untouched."""
        if reference.owner is Owner.PUBLIC:
            return reference.head
        away = any(base.path is None or base.moved for base in bases)
        if reference.is_relative:
            # Without path and query it stands for the base itself, query included.
            named = reference.path or reference.query is not None
            return reference.head if named and not away else None
        if reference.owner is Owner.NONE and any(base.path is None for base in bases):
            return None
        path = _rooted(without_dots(reference.path))
        public = self._links.to_public(path)
        if away:
            return f"//{self._links.public_host}{public}"
        if reference.owner is Owner.NONE and public == path:
            return reference.head
        return public

    def _aims(
        self, reference: Reference, bases: Sequence[Base], holes: Holes | None
    ) -> tuple[_Aim, ...]:
        """Give all that a reference may lead to; nothing if one of them is not surely ours."""
        if reference.is_dubious:
            return ()
        fixed = sample = reference.path
        is_flat = True
        hole = holes.pattern.search(reference.path) if holes else None
        if holes and hole:
            fixed = reference.path[: hole.start()]
            if not holes.tame and reference.owner is Owner.NONE and "/" not in fixed[1:]:
                return ()
            sample = holes.pattern.sub(SAMPLE, reference.path)
            is_flat = holes.flat and "/" not in reference.path[hole.start() :]
        aims: dict[str, _Aim] = {}
        for base in bases:
            path = self._resolve(reference, reference.path, base)
            filled = path if hole is None else self._resolve(reference, sample, base)
            before = self._resolve(reference, fixed, base)
            if path is None or filled is None or before is None:
                return ()
            # A path that is known to its end lies *in* a directory, even if it ends with a slash.
            folder = canonical(directory(before.rstrip("/") if hole is None else before))
            target = canonical(filled)
            place = None if target is None else self._links.place(target)
            if target is None or folder is None or place is None:
                return ()
            aims[target] = _Aim(path, target, folder, place, hole is None, is_flat)
        return tuple(aims.values())

    def _resolve(self, reference: Reference, path: str, base: Base) -> str | None:
        """Give the public path of a path in this reference (RFC 3986 §5.2); None: foreign."""
        if reference.owner is Owner.PUBLIC:
            return without_dots(path or "/")
        if reference.owner is Owner.ORIGIN:
            return self._links.to_public(_rooted(without_dots(path)))
        if base.path is None:
            return None
        if path.startswith("/"):
            return self._links.to_public(without_dots(path))
        return without_dots(directory(base.path) + path) if path else base.path

    def _spend(self, lookups: int) -> None:
        self._lookups += lookups
        if self._lookups > MAX_LOOKUPS:
            raise OriginInvalid("The origin's manifest holds too many links.")

    def _unsealed(self, query: str) -> str:
        """Give a query without the ticket of some earlier time."""
        param = self._links.param
        stale = any(name == param for name, _, _ in pairs(query))
        return without(query, {param}) if stale else query

    def _sealed(self, scope: str) -> str:
        seal = self._seals.get(scope)
        if seal is None:
            seal = self._seals[scope] = self._links.seal(scope)
        return f"{self._links.param}={seal}."


def _manifest_scope(aims: Sequence[_Aim], query: str) -> str | None:
    """Name the one manifest that is aimed at; None where it is not certain which."""
    if not all(aim.exact for aim in aims):
        return None
    sent = quote(query, safe=QUERY_SAFE, errors="surrogateescape")
    scopes = {aim.place.scope(aim.target, sent) for aim in aims}
    return scopes.pop() if len(scopes) == 1 else None


def _segment_scope(aims: Sequence[_Aim]) -> str | None:
    """Name what holds all that needs a ticket, a directory or a tree; None where nothing does."""
    signed = [aim for aim in aims if aim.place.segments == "signed"]
    folders = {aim.folder for aim in signed}
    if len(folders) == 1 and all(aim.flat for aim in signed):
        return folders.pop()
    return f"{common_directory(folders)}**" if folders else None


def _joined(place: Place, path: str) -> str:
    return (place.segment_base_url or "").rstrip("/") + path


def _rooted(path: str) -> str:
    """Give an absolute path that cannot be taken for a host: ``//evil.example`` names one.

    To be asked last: taking dot segments out makes ``//evil.example`` of ``/.//evil.example``.
    """
    return "/" + path.lstrip("/")
