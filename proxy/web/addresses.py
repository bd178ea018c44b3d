"""Who is on the other side: the viewer's address, and the name they reached us by.

Only a proxy listed in ``listen.trusted_proxies`` is believed about anybody but itself.
"""

import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from multidict import MultiMapping

# A host with an optional port (RFC 9110 §7.2); what else a Host header may hold is an attack.
HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?", re.ASCII)
DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class TrustedProxies:
    """The networks whose X-Forwarded-* fields count."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks: tuple[IPv4Network | IPv6Network, ...] = tuple(
            ip_network(network, strict=False) for network in networks
        )

    def trusts(self, address: str) -> bool:
        """Tell whether the address is a trusted proxy's."""
        if not self._networks:
            return False
        try:
            ip = ip_address(address)
        except ValueError:
            return False
        ip = getattr(ip, "ipv4_mapped", None) or ip
        return any(ip in network for network in self._networks)

    def viewer(self, peer: str, headers: MultiMapping[str]) -> str:
        """Give the viewer's address.

        X-Forwarded-For is read from its end, past the proxies we trust: what stands before the
        first stranger was written by that stranger. Several fields are one list (RFC 9110 §5.3),
        for HAProxy adds one of its own behind what the viewer sent.
        """
        address = peer
        if not self.trusts(peer):
            return address
        hops = ",".join(headers.getall("X-Forwarded-For", [])).split(",")
        for hop in (_without_port(hop.strip()) for hop in reversed(hops)):
            try:
                ip_address(hop)
            except ValueError:
                break
            address = hop
            if not self.trusts(hop):
                break
        return address

    def scheme(self, peer: str, scheme: str, headers: Mapping[str, str]) -> str:
        """Give the scheme the viewer used."""
        forwarded = headers.get("X-Forwarded-Proto", "").strip().lower()
        return forwarded if forwarded in DEFAULT_PORTS and self.trusts(peer) else scheme

    def host(self, peer: str, scheme: str, host: str, headers: Mapping[str, str]) -> str | None:
        """Give the host the viewer used, lower case and without its default port.

        None where it is no host at all.
        """
        forwarded = headers.get("X-Forwarded-Host", "").strip()
        name = forwarded if forwarded and self.trusts(peer) else host
        if not HOST.fullmatch(name):
            return None
        return name.lower().removesuffix(DEFAULT_PORTS[scheme])


def _without_port(hop: str) -> str:
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
