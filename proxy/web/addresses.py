"""Who is on the other side: the viewer's address, and the name they reached us by.

Only a proxy listed in ``listen.trusted_proxies`` is believed about anybody but itself.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import structlog
from multidict import MultiMapping

# A host with an optional port (RFC 9110 §7.2); what else a Host field may hold is an attack. A name
# is made of labels (RFC 1123 §2.1) and may end in a dot, which is no part of it. The underscore is
# not for hosts, but Docker and others name them so.
LABEL = r"[A-Za-z0-9_][A-Za-z0-9_-]{0,62}"
HOST = re.compile(
    rf"(?:({LABEL}(?:\.{LABEL})*)\.?|\[([0-9A-Fa-f:.]{{2,45}})\])(?::(\d{{1,5}}))?", re.ASCII
)
MAX_NAME_LENGTH = 253  # RFC 1035 §2.3.4, less what DNS adds to it on the wire
MAX_PORT = 65_535
MAX_HOST_LENGTH = MAX_NAME_LENGTH + len(".:65535")
DEFAULT_PORTS = {"http": 80, "https": 443}
# What a balancer writes, in the order of how many do.
FORWARDED = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host")

# Addresses of which it is known whether they are a trusted proxy's, and hosts as they were spelled.
MAX_KNOWN = 4096

log = structlog.get_logger("playgate")


class TrustedProxies:
    """The networks whose X-Forwarded-* fields count."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks: tuple[IPv4Network | IPv6Network, ...] = tuple(
            ip_network(network, strict=False) for network in networks
        )
        self._has_warned = False
        # Asked several times of each request, of addresses that are mostly the same.
        self._trusts = lru_cache(MAX_KNOWN)(self._is_in_network)

    def trusts(self, address: str) -> bool:
        """Tell whether the address is a trusted proxy's."""
        return bool(self._networks) and self._trusts(address)

    def _is_in_network(self, address: str) -> bool:
        try:
            ip = ip_address(address)
        except ValueError:
            return False
        ip = getattr(ip, "ipv4_mapped", None) or ip
        return any(ip in network for network in self._networks)

    def viewer(self, peer: str, headers: MultiMapping[str]) -> str:
        """Give the viewer's address."""
        return self._hops(peer, headers)[-1]

    def scheme(self, peer: str, scheme: str, headers: MultiMapping[str]) -> str:
        """Give the scheme the viewer used."""
        forwarded = self._forwarded("X-Forwarded-Proto", peer, headers).lower()
        return forwarded if forwarded in DEFAULT_PORTS else scheme

    def host(self, peer: str, scheme: str, host: str, headers: MultiMapping[str]) -> str | None:
        """Give the host the viewer used, in its one spelling and without its default port.

        None where it is no host at all.
        """
        return _normal(self._forwarded("X-Forwarded-Host", peer, headers) or host, scheme)

    def check(self, peer: str, headers: MultiMapping[str]) -> None:
        """Warn, once, if a balancer seems to stand before us that is not trusted.

        All its viewers would be one network, and links would have the name and the scheme by which
        it reaches us.
        """
        if self._has_warned or not any(map(headers.__contains__, FORWARDED)):
            return
        if not self.trusts(peer):
            self._has_warned = True
            log.warning(
                "X-Forwarded fields are ignored: their sender is not in listen.trusted_proxies",
                sender=peer,
            )

    def _hops(self, peer: str, headers: MultiMapping[str]) -> list[str]:
        """Give the addresses from us outwards: trusted proxies, then whom the last of them saw.

        X-Forwarded-For is read from its end, past the proxies we trust: what stands before the
        first stranger was written by that stranger.
        """
        hops = [peer]
        if not self.trusts(peer):
            return hops
        for hop in map(_without_port, reversed(_listed("X-Forwarded-For", headers))):
            try:
                ip_address(hop)
            except ValueError:
                break
            hops.append(hop)
            if not self.trusts(hop):
                break
        return hops

    def _forwarded(self, name: str, peer: str, headers: MultiMapping[str]) -> str:
        """Give what the outermost proxy we trust says of the viewer's request; "" for nothing.

        Each may have put its own behind what it was sent, as with X-Forwarded-For. Most replace it:
        then one value is all there is.
        """
        if name not in headers or not self.trusts(peer):
            return ""
        said = _listed(name, headers)
        if not said:
            return ""
        trusted = sum(map(self.trusts, self._hops(peer, headers)))
        return said[-min(trusted, len(said))]


def _normal(text: str, scheme: str) -> str | None:
    """Give the one spelling of a host with or without a port; None for what is none."""
    return _read(text, scheme) if len(text) <= MAX_HOST_LENGTH else None


@lru_cache(MAX_KNOWN)
def _read(text: str, scheme: str) -> str | None:
    found = HOST.fullmatch(text)
    if not found:
        return None
    name, address, port = found[1], found[2], int(found[3] or DEFAULT_PORTS[scheme])
    if address:
        try:
            host = f"[{IPv6Address(address)}]"
        except ValueError:
            return None
    else:
        host = name.lower()
    if len(host) > MAX_NAME_LENGTH or not 0 < port <= MAX_PORT:
        return None
    return host if port == DEFAULT_PORTS[scheme] else f"{host}:{port}"


def _listed(name: str, headers: MultiMapping[str]) -> list[str]:
    """Give a list's members. Several fields are one list (RFC 9110 §5.3): HAProxy adds its own."""
    members = ",".join(headers.getall(name, [])).split(",")
    return [member for member in map(str.strip, members) if member]


def _without_port(hop: str) -> str:
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
