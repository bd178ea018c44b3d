from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.credentials.networks import Networks

NETWORKS = Networks(b"s" * 32)
ADDRESSES = st.ip_addresses(v=4, network="192.0.2.0/28") | st.ip_addresses(v=6, network="::/124")
PREFIXES = st.tuples(ADDRESSES, st.integers(0, 32))


@given(prefix=PREFIXES, address=ADDRESSES)
def test_a_sealed_network_holds_its_addresses_and_no_others(
    prefix: tuple[IPv4Address | IPv6Address, int], address: IPv4Address | IPv6Address
) -> None:
    network = ip_network((prefix[0], prefix[0].max_prefixlen - prefix[1] % 5), strict=False)
    sealed = NETWORKS.sealed(str(network))
    assert NETWORKS.hold([sealed], str(address)) == (address in network)


def test_a_sealed_network_says_nothing_but_its_length() -> None:
    sealed = NETWORKS.sealed("192.0.2.0/24")
    assert sealed.startswith("24.")
    assert len(sealed) == len("24.") + 12
    assert sealed != Networks(b"t" * 32).sealed("192.0.2.0/24")


@pytest.mark.parametrize("address", ["", "here", "192.0.2.300", "192.0.2.0/24"])
def test_who_has_no_address_is_in_no_network(address: str) -> None:
    assert not NETWORKS.hold([NETWORKS.sealed("0.0.0.0/0")], address)


@pytest.mark.parametrize("sealed", ["", ".", "24", "24.", "x.abc", "-1.abc", "33.abc", "²4.abc"])
def test_what_is_no_network_holds_nobody(sealed: str) -> None:
    assert not NETWORKS.hold([sealed], "192.0.2.1")


def test_an_address_is_the_same_in_each_of_its_forms() -> None:
    sealed = [NETWORKS.sealed("192.0.2.1"), NETWORKS.sealed("fe80::/64")]
    assert NETWORKS.hold(sealed, "::ffff:192.0.2.1")
    assert NETWORKS.hold(sealed, "fe80::1%eth0")


@pytest.mark.parametrize(
    ("network", "inside", "outside"),
    [
        ("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("::ffff:192.0.2.0/120", "192.0.2.7", "192.0.3.7"),
        ("::ffff:0:0/96", "192.0.2.1", "fe80::1"),
        ("::/0", "fe80::1", "192.0.2.1"),
    ],
)
def test_a_network_is_the_same_in_each_of_its_forms(
    network: str, inside: str, outside: str
) -> None:
    sealed = [NETWORKS.sealed(network)]
    assert NETWORKS.hold(sealed, inside)
    assert not NETWORKS.hold(sealed, outside)
    if "." in inside:
        assert NETWORKS.hold(sealed, f"::ffff:{inside}")
