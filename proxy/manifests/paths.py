"""Paths found in a manifest: dot segments resolved, directories named.

How the server will spell them is told in ``proxy.paths``.
"""

from collections.abc import Iterable
from posixpath import commonprefix


def without_dots(path: str) -> str:
    """Take the dot segments out of an absolute path (RFC 3986 §5.2.4), keeping its spelling.

    An encoded dot is a dot: browsers resolve ``%2e%2e/`` too.
    """
    if "/." not in path and "%2" not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")[1:]
    for position, segment in enumerate(segments):
        name = segment.lower().replace("%2e", ".")
        if name not in (".", ".."):
            kept.append(segment)
            continue
        if name == ".." and kept:
            kept.pop()
        if position == len(segments) - 1:
            kept.append("")
    return "/" + "/".join(kept)


def directory(path: str) -> str:
    """Give the directory a path lies in, with its final slash; a directory is its own."""
    return path[: path.rfind("/") + 1]


def common_directory(directories: Iterable[str]) -> str:
    """Give the deepest directory that holds all of these."""
    return directory(commonprefix(list(directories)))
