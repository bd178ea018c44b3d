"""An origin's address in what no rule about links reads: tags and attributes nobody here knows.

Nothing is resolved and nothing gets a ticket. Where ``//`` and an origin's host stand, ours is put
in its place, and the path that follows becomes a public one. A host that only begins or ends like
an origin's is another host; so is one within the path of another URL.
"""

import re
from collections.abc import Callable

from proxy.manifests.links import Links


def hider(links: Links) -> Callable[[bytes], bytes]:
    """Give the function that puts our host in place of an origin's in some text."""
    names = {host.removesuffix(":80").removesuffix(":443") for host in links.origin_hosts if host}
    if not names:
        return bytes
    hosts = b"|".join(re.escape(name.encode()) for name in sorted(names))
    address = re.compile(
        rb"(?<![\w.~/-])//(?:[^\s/?#\"'<>@]*@)?(?:" + hosts + rb")(?::80|:443)?"
        rb"(/[^\s?#\"'<>&]*)?(?=[?#\"'<>&,\s]|\Z)",
        re.IGNORECASE,
    )

    def ours(match: re.Match[bytes]) -> bytes:
        path = (match[1] or b"").decode("utf-8", "surrogateescape")
        public = links.public_host + (links.to_public(path) if path else "")
        return b"//" + public.encode("utf-8", "surrogateescape")

    return lambda text: address.sub(ours, text)
