"""What a request says of the device it comes from.

Nothing here decides; it reads hints and normalises them. A hint is bounded in length before it is
used, and none is trusted further than ``identity`` does.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

from ua_parser import Result, parse

from proxy.model import Request
from proxy.query import value_of
from proxy.values import value

# Longer than any id or User-Agent seen in players; a hostile one is cut, not refused.
MAX_HINT_LENGTH = 256
MAX_LABEL_LENGTH = 48
# Addresses whose networks are known: those heard of last, for each is asked about at each request.
MAX_NETWORKS = 16_384
# User-Agents of which it is known what they say: an audience has some hundred.
MAX_AGENTS = 2_048
# CMCD (CTA-5004 §3.2) is a structured-fields dictionary; sid is a quoted string in it.
CMCD_SID = re.compile(r'(?:^|,)\s*sid="([^"\\]{1,256})"')


@value(frozen=True, slots=True)
class Hints:
    """The hints of one request; ``session`` is a playback session id, whoever made it up.

    ``device`` comes from the configured header and is trusted to name one device.
    """

    agent: str
    network: str
    session: str | None = None
    device: str | None = None


def hints(request: Request, device_header: str | None = None) -> Hints:
    """Read the hints of a request."""
    headers = request.headers
    return Hints(
        agent=headers.get("User-Agent", "")[:MAX_HINT_LENGTH],
        network=network_of(request.address),
        session=_session(headers, request.query),
        device=headers.get(device_header, "")[:MAX_HINT_LENGTH] or None if device_header else None,
    )


def _session(headers: Mapping[str, str], query: str) -> str | None:
    """Find the playback session: AVPlayer's own header, else CMCD's in header or query."""
    if apple := headers.get("X-Playback-Session-Id"):
        return apple[:MAX_HINT_LENGTH]
    for cmcd in (headers.get("CMCD-Session"), value_of(query, "CMCD")):
        if cmcd and (found := CMCD_SID.search(cmcd)):
            return found[1]
    return None


@lru_cache(MAX_NETWORKS)
def network_of(address: str) -> str:
    """Give the network a viewer's address lies in: /24 of IPv4, /64 of IPv6.

    Coarse on purpose: addresses change within a household's or a carrier's network. What is no
    address (a unix socket's peer) stands for itself.
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return str(ip_network((ip, 24 if ip.version == 4 else 64), strict=False))


def parsed(agent: str) -> Result:
    """Give what a User-Agent says; ua-parser keeps the answers of recent ones itself."""
    # A byte that is no UTF-8 comes as a surrogate, which the parser cannot take.
    return parse(agent.encode("utf-8", "replace").decode())


def warm_up() -> None:
    """Have ua-parser read its expressions: a tenth of a second, for which nobody should wait."""
    parsed("")


@lru_cache(MAX_AGENTS)
def label_of(agent: str) -> str:
    """Name a device as its viewer would: "Chrome on Linux", "AppleTV", "curl"."""
    found = parsed(agent)
    device = found.device.family if found.device else ""
    browser = found.user_agent.family if found.user_agent else ""
    system = found.os.family if found.os else ""
    if device and not device.startswith(("Generic", "Other", "Mac", "Spider")):
        name = device
    elif browser and system:
        name = f"{browser} on {system}"
    else:
        name = browser or agent.partition("/")[0]
    return printable(name) or "unknown device"


def printable(text: str) -> str:
    """Give the text fit to be shown: no control characters, bounded."""
    if not text.isprintable():
        text = "".join(c for c in text if c.isprintable())
    return text.strip()[:MAX_LABEL_LENGTH]
