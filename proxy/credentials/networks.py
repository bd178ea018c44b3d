"""The networks a credential is bound to, in a form that says nothing of the viewer.

A ticket holds them as long as its token did (``cdniip``, RFC 9246 §2.1.10), and travels in URLs
where an address must not be read. So a network is known by its length and a keyed hash.
"""

import base64
import hmac
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from proxy.credentials.account import derive

# As long as the seal of a ticket: guessing one means 2**72 tries at a proxy.
HASH_BYTES = 9
# All of IPv4 within IPv6 is ::ffff:0:0/96.
MAPPED_LENGTH = 96


class Networks:
    """Seals networks, and tells which of them an address is in."""

    def __init__(self, secret: bytes) -> None:
        self._key = derive(secret, "network")

    def sealed(self, network: str) -> str:
        """Give the sealed form of an address or of a prefix in CIDR notation.

        Raises:
            ValueError: it is neither.
        """
        return self._seal(_network(network.strip()))

    def hold(self, sealed: Iterable[str], address: str) -> bool:
        """Tell whether an address is in one of the networks."""
        try:
            mine = _network(str(ip_address(address.partition("%")[0])))
        except ValueError:
            return False
        return any(self._holds(network, mine) for network in sealed)

    def _holds(self, sealed: str, address: IPv4Network | IPv6Network) -> bool:
        length = sealed.partition(".")[0]
        if not length.isdecimal() or int(length) > address.prefixlen:
            return False
        mine = self._seal(address.supernet(new_prefix=int(length)))
        return hmac.compare_digest(mine.encode(), sealed.encode())

    def _seal(self, network: IPv4Network | IPv6Network) -> str:
        mac = hmac.digest(self._key, str(network).encode(), "sha256")[:HASH_BYTES]
        return f"{network.prefixlen}.{base64.urlsafe_b64encode(mac).decode()}"


def _network(text: str) -> IPv4Network | IPv6Network:
    """Read a network; IPv4 in IPv6's clothes (RFC 4291 §2.5.5.2) is IPv4, whoever wrote it so.

    Raises:
        ValueError: it is none.
    """
    network = ip_network(text, strict=False)
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < MAPPED_LENGTH:
        return network
    return IPv4Network((mapped, network.prefixlen - MAPPED_LENGTH))
