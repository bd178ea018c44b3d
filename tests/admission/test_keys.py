"""What lies together in a cluster, and that it lies evenly."""

from collections import Counter

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from proxy.admission.keys import PARTS, ClusterKeys, Keys

ACCOUNTS = [f"{number:032x}" for number in range(5_000)]


def test_a_script_s_keys_lie_in_one_hash_slot() -> None:
    keys = ClusterKeys("playgate")
    for account in (*ACCOUNTS[:200], "odd {account}", "\udcff"):
        part = keys.part(account)
        names = (*keys.of(account), keys.tally(part), keys.ping(part))
        slots = {key_slot(name.encode("utf-8", "replace")) for name in names}
        assert slots == {keys.slot(part)}


def test_no_two_accounts_share_a_key_but_the_tally() -> None:
    keys = ClusterKeys("playgate")
    names = Counter(name for account in ACCOUNTS for name in keys.of(account)[:3])
    assert len(names) == 3 * len(ACCOUNTS)
    assert {keys.of(account)[3] for account in ACCOUNTS} <= {*map(keys.tally, range(PARTS))}


def test_primaries_with_as_many_hash_slots_have_as_many_parts() -> None:
    slots = [ClusterKeys("playgate").slot(part) for part in range(PARTS)]
    for primaries in (3, 4, 6, 10):
        share = REDIS_CLUSTER_HASH_SLOTS / primaries
        had = Counter(int(slot // share) for slot in slots)
        assert max(had.values()) - min(had.values()) <= 2
    parts = Counter(map(ClusterKeys("playgate").part, ACCOUNTS))
    assert len(parts) == PARTS
    assert max(parts.values()) < 2 * len(ACCOUNTS) / PARTS


def test_one_redis_keeps_the_names_it_has() -> None:
    """Or a proxy of another version would count by itself."""
    keys = Keys("playgate")
    tag = "playgate:{someone}"
    assert keys.of("someone") == (f"{tag}:streams", f"{tag}:ended", f"{tag}:revoked", keys.tally(0))
    assert (keys.tally(0), keys.ping(0)) == ("playgate:active", "playgate:ping")
    assert ClusterKeys("playgate").of(ACCOUNTS[1])[0] == (
        "playgate:{52}:00000000000000000000000000000001:streams"
    )
