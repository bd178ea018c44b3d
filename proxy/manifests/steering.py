"""Keep-alive by content steering: the link that makes a player come back for as long as it plays.

A player loads an on-demand manifest once. But one that knows content steering (RFC 8216bis
§4.4.6.6, §7; ETSI TS 103 998) asks its steering server again and again, paused or playing, until it
is closed. So the manifest names ours, with the ticket, and one pathway to choose from.

Where the origin steers already, ours stands in front of its server: the link carries its address,
sealed, because a proxy that fetched any address it is handed would be everybody's.
"""

from urllib.parse import quote

from proxy.manifests.linker import QUERY_SAFE, Linker, Parts
from proxy.manifests.links import Links

# The pathway of a manifest that has only one. It is what the standard calls one without a name, so
# a player that reads the attribute and one that does not agree (RFC 8216bis §4.4.6.2).
PATHWAY = "."
PATHWAY_PARAM = "_pathway"
SERVER_PARAM = "_server"
# What the address of a steering server may hold as it stands in a query.
SERVER_SAFE = "/:.-_~"


def steering_link(
    links: Links,
    linker: Linker,
    *,
    server: str | None = None,
    pathway: str = PATHWAY,
    relative: bool = False,
) -> Parts | None:
    """Give the URL of our steering server, with a slot for the ticket.

    Args:
        links: where the manifest is from.
        linker: resolves ``server``.
        server: the origin's own steering server, as the manifest has it.
        pathway: what players are steered to by ours, and where the origin's does not answer.
        relative: leave our host out, for players that resolve the link.

    Returns:
        None where there is no keep-alive, or ``server`` is nothing that could be asked.
    """
    if links.steering is None:
        return None
    query = "" if pathway == PATHWAY else f"{PATHWAY_PARAM}={_quoted(pathway)}&"
    if server is not None:
        server = _asked(linker, server)
        if server is None:
            return None
        query += f"{SERVER_PARAM}={_quoted(server)}&"
    ours = "" if relative else f"{links.public_scheme}://{links.public_host}"
    return (f"{ours}{links.steering}?{query}{links.param}={links.seal(place(server))}.", "")


def place(server: str | None) -> str:
    """Name what a seal in a steering link is for: no manifest and no directory is called so."""
    return "steering" if server is None else f"steering {server}"


def _asked(linker: Linker, server: str) -> str | None:
    """Give where the origin's steering server is asked: a public path, or a URL elsewhere."""
    (base,) = linker.bases(server, (linker.own,))
    if base.path is not None:
        server = base.path if base.query is None else f"{base.path}?{base.query}"
    elif not server.lower().startswith(("https://", "http://")):
        return None
    # What is no ASCII, or not even text, as it will be sent.
    return quote(server, safe=QUERY_SAFE, errors="surrogateescape")


def _quoted(text: str) -> str:
    return quote(text, safe=SERVER_SAFE, errors="surrogateescape")
