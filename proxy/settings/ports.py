"""Settings of the two ports, and of the web pages that may read what the players' port answers."""

from collections.abc import Iterator
from ipaddress import IPv6Network, collapse_addresses, ip_network
from typing import Annotated, Any

from pydantic import Field, field_validator
from pydantic_core import InitErrorDetails

from proxy.settings.section import Section, conflict, conflicts
from proxy.settings.tls import TlsSettings
from proxy.settings.types import (
    BearerToken,
    Duration,
    Flag,
    Network,
    Port,
    at_most,
    distinct,
    integer_text,
)
from proxy.settings.urls import BindHost, WebOrigin

# What a socket on every address is bound to.
ANY_ADDRESS = {"0.0.0.0", "::"}  # noqa: S104  # compared with


EVERYBODY = (
    "is every address there is, so each viewer could say that they are another: list the addresses"
    " or networks of your balancers"
)
# RFC 4291 §2.5.5.2.
IPV4_MAPPED = IPv6Network("::ffff:0:0/96")
MAPPED = "is of IPv4, and matches nobody as it is written; write 192.0.2.0/24, say"


class ListenSettings(Section):
    """The player port."""

    host: BindHost = Field("0.0.0.0", description="The address players connect to.")  # noqa: S104  # a server in a container is for everybody
    port: Port = Field(8080, description="Its port; 0 takes any free one.")
    tls: TlsSettings = Field(
        default_factory=TlsSettings, description="Both files: HTTPS. Neither: plain HTTP."
    )
    trusted_proxies: tuple[Network, ...] = Field(
        (), description="Addresses and networks whose X-Forwarded-* fields are believed."
    )
    max_in_flight: Annotated[int, Field(ge=1, le=1_000_000), integer_text] = Field(
        2048,
        description="Requests served at once; the next one gets 503 `overloaded`. The last eighth "
        "is for streams that play already.",
    )
    fast_path: Flag = Field(
        default=True,
        description="Whether what is asked again is answered on a shorter path. Without it, a "
        "player that hammers after its refusal has the store asked each time.",
    )
    fast_path_size: Annotated[int, Field(ge=1, le=1_000_000), integer_text] = Field(
        65_536,
        description="Requests that the shorter path knows, at some 0.6 KiB each: all that viewers "
        "ask again and again. What it does not know takes several times as much of a processor.",
    )
    drain_timeout: Annotated[Duration, at_most("1h")] = Field(
        20.0, description="How long open requests may take to finish at shutdown."
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _are_not_everybody(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        found = [
            conflict(EVERYBODY if network.endswith("/0") else MAPPED, position)
            for position, network in enumerate(networks)
            if network.endswith("/0") or _is_mapped(network)
        ]
        if found:
            raise conflicts(*found)
        if any(network.endswith("/0") for network in _together(networks)):
            raise ValueError(f"together, {EVERYBODY}")
        return networks


class AdminSettings(Section):
    """The operators' port."""

    host: BindHost = Field("127.0.0.1", description="The address operators connect to.")
    port: Port = Field(9090, description="Its port; 0 takes any free one.")
    token: BearerToken | None = Field(
        None,
        description="The bearer token of /admin, of at least 16 characters; without one /admin"
        " answers 403 to all.",
    )


class CorsSettings(Section):
    """Which web pages may read answers."""

    origins: Annotated[tuple[WebOrigin, ...], distinct] = Field(
        ("*",), description="scheme://host[:port] of each page's site, or * for all."
    )

    @field_validator("origins")
    @classmethod
    def _all_is_all(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        if "*" in origins and len(origins) > 1:
            raise ValueError("* allows every site; it stands alone")
        return origins


def _is_mapped(network: str) -> bool:
    """Tell whether a network is IPv4's within IPv6: who comes from it is known by IPv4 here."""
    one = ip_network(network)
    return isinstance(one, IPv6Network) and one.subnet_of(IPV4_MAPPED)


def _together(networks: tuple[str, ...]) -> Iterator[str]:
    """Write networks in as few as take in the same addresses."""
    for version in (4, 6):
        ours: list[Any] = [one for one in map(ip_network, networks) if one.version == version]
        yield from map(str, collapse_addresses(ours))


def one_port_for_both(listen: ListenSettings, admin: AdminSettings) -> list[InitErrorDetails]:
    """Find an admin port that is the players'."""
    if admin.port != listen.port or admin.port == 0:
        return []
    # A socket on all addresses takes the port on each of them.
    if admin.host == listen.host or not {admin.host, listen.host}.isdisjoint(ANY_ADDRESS):
        return [conflict("is the player port, listen.port, too", "port")]
    return []
