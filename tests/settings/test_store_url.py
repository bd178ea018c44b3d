from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from proxy.redis_client import client
from proxy.redis_place import Way, parse
from proxy.settings.load import ConfigError, from_mapping
from proxy.settings.reload import ConfigFile
from proxy.settings.store_url import StoreUrl, check_store_url
from tests.settings.samples import MINIMAL, certificate, minimal, pem

STORES = [
    "memory://",
    "redis://localhost",
    "redis://localhost:6379/0",
    "redis://:p%40ss%2Fword@redis.internal:6380/15",
    "redis://user:pass@[::1]:6379",
    "rediss://h:1/2?ssl_cert_reqs=none&ssl_check_hostname=false",
    "rediss://h?ssl_ca_certs=/etc/ca.pem&protocol=3",
    "unix:///run/redis.sock",
    "unix://:pass@/run/redis.sock?db=3",
    "redis+sentinel://a:26379,b,[::1]:26380/mymaster",
    "redis+sentinel://user:p%40ss@a/my.master-1/3?sentinel_username=s&sentinel_password=p%26q",
    "rediss+sentinel://a,b/m/0?db=2&protocol=3&ssl_ca_certs=/etc/ca.pem",
    "redis+cluster://a:7000,b:7001",
    "rediss+cluster://user:pass@a/?protocol=3&ssl_check_hostname=false",
]


@pytest.mark.parametrize("text", STORES)
def test_a_stores_url_is_kept_as_it_is(text: str) -> None:
    assert check_store_url(StoreUrl(text)).get_secret_value() == text


@pytest.mark.parametrize("text", STORES[1:])
async def test_redis_py_takes_every_url_that_is_accepted(text: str) -> None:
    redis = client(text, timeout=1, connections=1)
    # Making a connection object is where an option that it does not know would surface.
    redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]  # redis-py
    await redis.aclose()


@pytest.mark.parametrize(
    "text",
    [
        *("", "memory", "memory:", "memory://x", "memory:///", "REDIS", "http://h", "redis:h"),
        *(
            "redis://",
            "redis:///0",
            "redis://h:port",
            "redis://h:70000",
            "redis://h/x",
            "redis://h#",
        ),
        *(
            "redis://:pa/ss@h",
            "redis://:pa#ss@h",
            "redis://:pa?ss@h",
            "redis://[::1",
            "redis://h h",
        ),
        *("redis://h?password=x", "redis://h?db=x", "redis://h?protocol=9", "redis://h?db="),
        *("redis://h?ssl_cert_reqs=none", "rediss://h?ssl_cert_reqs=maybe", "redis://h?max=1"),
        *(
            "unix://run/redis.sock",
            "unix:///",
            "unix://",
            "redis://h/0/1",
            "redis://hé",
            "redis://h\n",
        ),
        *("redis://a,b", "redis+other://a", "unix+cluster:///a", "redis+://a", "sentinel://a/m"),
        *(
            "redis+sentinel://a",
            "redis+sentinel://a/",
            "redis+sentinel://a/m/x",
            "redis+sentinel:///m",
        ),
        *("redis+sentinel://a,/m", "redis+sentinel://a,,b/m", "redis+sentinel://a/m/0/1"),
        *("redis+sentinel://a/m%2F", "redis+sentinel://a/m?sentinel_password=", "redis+cluster://"),
        *("redis+cluster://a/1", "redis+cluster://a?db=1", "redis+cluster://a,b:x"),
        *("redis+cluster://a?sentinel_password=x", "redis+cluster://a?ssl_cert_reqs=none"),
    ],
)
def test_what_is_no_stores_url_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must|may have|has a value"):
        check_store_url(StoreUrl(text))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://user:hunter2@h:1/2?db=3", "redis://user:********@h:1/2?db=3"),
        ("unix://:hunter2@/run/redis.sock", "unix://:********@/run/redis.sock"),
        ("redis://user@h", "redis://user@h"),
        ("memory://", "memory://"),
        (
            "redis+sentinel://u:hunter2@a,b/m/0?sentinel_password=hunter2&protocol=3",
            "redis+sentinel://u:********@a,b/m/0?sentinel_password=********&protocol=3",
        ),
        (
            "redis+sentinel://a/m?sentinel%5Fpassword=hunter2",
            "redis+sentinel://a/m?sentinel%5Fpassword=********",
        ),
        ("redis+cluster://u:hunter2@a,b", "redis+cluster://u:********@a,b"),
    ],
)
def test_a_password_is_masked_and_nothing_else(text: str, shown: str) -> None:
    url = StoreUrl(text)
    assert str(url) == shown
    assert "hunter2" not in f"{url!r} {url}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("redis+sentinel://a:26379", "what the sentinels watch"),
        ("redis+sentinel://a,b c/m", "must be memory://"),
        ("redis+sentinel://a,b:x/m", "commas"),
        ("redis+cluster://a/0", "one database"),
        ("redis+cluster://a?db=3", "may have the options protocol and no others"),
    ],
)
def test_what_is_wrong_is_said(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_store_url(StoreUrl(text))


def test_a_place_is_read_from_its_url() -> None:
    place = parse("redis+sentinel://u:p%40w@a,[::1]:7/m.1/3?sentinel_password=s%26&protocol=3", 1)
    assert (place.way, place.name) == (Way.SENTINEL, "m.1")
    assert place.nodes == (("a", 26379), ("::1", 7))
    wanted = {"username": "u", "password": "p@w", "db": 3, "protocol": 3}
    assert {name: place.options[name] for name in wanted} == wanted
    assert place.of_sentinels["password"] == "s&"
    assert not {"username", "db", "sentinel_password"} & {*place.of_sentinels}
    assert set(place.secrets) == {"p@w", "s&"}
    place = parse("rediss+cluster://:p@a:1,b", 1)
    assert (place.way, place.nodes, place.is_tls) == (Way.CLUSTER, (("a", 1), ("b", 6379)), True)
    assert place.options["password"] == "p"


@pytest.mark.parametrize("folder", ["certs", "a folder, 100% odd & more"])
def test_the_authorities_file_of_a_url_counts_from_the_configurations_folder(
    tmp_path: Path, folder: str
) -> None:
    base = tmp_path / folder
    base.mkdir()
    ca = base / "ca.pem"
    ca.write_text(certificate(ec.generate_private_key(ec.SECP256R1())))
    url = "rediss+sentinel://:p%40w@a,b/m/0?protocol=3&ssl_ca_certs=ca.pem&db=2"
    store = from_mapping(minimal(store={"url": url}), base).store
    place = parse(store.url.get_secret_value(), 1)
    for options in (place.options, place.of_sentinels):
        assert options["ssl_ca_certs"] == str(ca)
    assert (place.options["password"], place.options["db"]) == ("p@w", 2)


PRIVATE = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot be read: no such file, counted from the configuration's folder"),
        ("", "the file is empty"),
        ("nothing", "is not a certificate in PEM form, which begins with -----BEGIN CERTIFICATE"),
        (pem(PRIVATE), "holds a private key; here belongs a certificate"),
        (certificate(PRIVATE)[:200], "holds a certificate that is damaged"),
    ],
    ids=["missing", "empty", "text", "a key", "cut off"],
)
def test_one_that_cannot_be_used_is_told_with_its_line_and_its_option(
    tmp_path: Path, content: str | None, why: str
) -> None:
    file = ConfigFile(tmp_path / "c.yaml", {})
    url = "rediss://:canary@h/0?ssl_ca_certs=ca.pem"
    file.path.write_text(f"{MINIMAL}store:\n  url: {url}\n")
    if content is not None:
        (tmp_path / "ca.pem").write_text(content)
    with pytest.raises(ConfigError) as caught:
        file.load()
    assert str(caught.value).startswith(f"{file.path}:13: store.url: ssl_ca_certs: {why}")
    assert not {"canary", "ca.pem"} & set(str(caught.value).split())


def test_it_is_watched_and_one_of_a_store_in_force_is_not_looked_for_again(tmp_path: Path) -> None:
    file = ConfigFile(tmp_path / "c.yaml", {})
    for name in ("old", "new"):
        (tmp_path / f"{name}.pem").write_text(certificate(PRIVATE))
    file.path.write_text(f"{MINIMAL}store: {{url: 'rediss://h/0?ssl_ca_certs=old.pem'}}\n")
    running = file.load()
    assert file.found[tmp_path / "old.pem"] is not None
    (tmp_path / "old.pem").unlink()
    file.path.write_text(f"{MINIMAL}store: {{url: 'rediss://h/0?ssl_ca_certs=new.pem'}}\n")
    found = file.reread(running)
    assert [change.key for change in found.needs_restart] == ["store.url"]
    assert found.settings.store == running.store
