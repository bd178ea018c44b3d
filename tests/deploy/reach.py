"""Who may reach whom under a set of network policies, as their specification says.

A pod that some policy of a direction chooses may do in that direction what any of them allows, and
one that none chooses may do all. Only what our policies are made of is known: anything else fails.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.deploy.rendered import Object, chooses

NAMESPACE_LABEL = "kubernetes.io/metadata.name"


@dataclass(frozen=True)
class Pod:
    """A pod, as a policy sees it."""

    namespace: str
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outside:
    """An address beyond the cluster."""

    address: str


Peer = Pod | Outside


def reaches(
    policies: Iterable[Object], source: Peer, target: Peer, port: int, protocol: str = "TCP"
) -> bool:
    """Tell whether a connection may be made."""
    policies = list(policies)
    return all(
        not isinstance(this, Pod) or _allowed(policies, direction, this, other, (port, protocol))
        for direction, this, other in (("Egress", source, target), ("Ingress", target, source))
    )


def _allowed(
    policies: list[Object], direction: str, pod: Pod, peer: Peer, port: tuple[int, str]
) -> bool:
    about = [
        policy
        for policy in policies
        if direction in policy["spec"]["policyTypes"]
        and policy["metadata"]["namespace"] == pod.namespace
        and chooses(policy["spec"]["podSelector"], pod.labels)
    ]
    if not about:
        return True
    far = {"Ingress": "from", "Egress": "to"}[direction]
    return any(
        _has(rule["ports"], port) and any(_is(each, peer, pod.namespace) for each in rule[far])
        for policy in about
        for rule in policy["spec"].get(direction.lower(), [])
    )


def _has(ports: list[Object], port: tuple[int, str]) -> bool:
    return port in {(each["port"], each.get("protocol", "TCP")) for each in ports}


def _is(described: Object, peer: Peer, namespace: str) -> bool:
    if isinstance(peer, Outside):
        block = described.get("ipBlock")
        return block is not None and ipaddress.ip_address(peer.address) in ipaddress.ip_network(
            block["cidr"]
        )
    if not described.keys() <= {"namespaceSelector", "podSelector"}:
        return False
    there = (
        chooses(described["namespaceSelector"], {NAMESPACE_LABEL: peer.namespace})
        if "namespaceSelector" in described
        else peer.namespace == namespace
    )
    return there and chooses(described.get("podSelector", {}), peer.labels)
