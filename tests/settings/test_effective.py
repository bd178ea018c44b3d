from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec

from proxy.settings.effective import effective, effective_mapping, fingerprint, json_schema
from proxy.settings.key_sets import KeySetUrl
from proxy.settings.load import from_mapping, load
from proxy.settings.schema import Settings
from tests.settings.samples import Pair, minimal
from tests.support.good_secrets import secret
from tests.support.stack import merged

PAIR = Pair.of(ec.generate_private_key(ec.SECP256R1()))
CANARY = "c4n4ry-" + secret("c4n4ry", 41)


def full() -> dict[str, object]:
    """A configuration in which nothing has its default and every secret is a canary."""
    return {
        "listen": {
            "host": "::1",
            "port": 18080,
            "trusted_proxies": ["10.0.0.0/8", "::1"],
            "max_in_flight": 7,
            "drain_timeout": "0s",
        },
        "admin": {"host": "::1", "port": 0, "token": CANARY},
        "store": {
            "url": f"redis://user:{CANARY}@h:1/2?db=3",
            "key_prefix": "p",
            "timeout": "1.5s",
            "on_outage": "open",
        },
        "auth": {
            "sources": ["cookie", "query"],
            "query_param": "t",
            "cookie": "c",
            "keys": [
                {"kid": "1e5", "algorithm": "HS384", "secret": CANARY},
                {"algorithm": "ES256", "public_key": PAIR.public, "private_key": PAIR.private},
            ],
            "issuer": "${not} a: {variable}",
            "audience": ["yes", "null"],
            "leeway": "90s",
            "claims": {"account": "a", "device": "d", "plan": "p", "limit": "1"},
        },
        "tickets": {"secret": f"{CANARY}-tickets", "ttl": "1d", "param": "ticket"},
        "limits": {
            "default": 0,
            "plans": {"${p}": 9, "2024": 1},
            "on_limit": "evict_oldest",
            "status": 403,
        },
        "streams": {
            "ttl": "1s",
            "live_ttl_factor": 1.25,
            "vod_ttl": "61s",
            "silent_after": "1h",
            "max_hold": "366d",
        },
        "identity": {
            "takeover": "provisional",
            "max_networks": 1,
            "device_header": "X-Device",
            "jti_per_playback": True,
        },
        "origin": {
            "timeout": "3s",
            "connect_timeout": "2s",
            "retries": 0,
            "max_manifest": "1537KiB",
            "cache": "0s",
        },
        "cors": {"origins": []},
        "routes": [
            {
                "name": "all",
                "path": "/a/*/**",
                "host": "h:8080",
                "strip_prefix": "/a",
                "origins": ["http://a", "https://[::1]:8000"],
                "segments": "direct",
                "segment_base_url": "https://cdn.test/x",
                "content_params": ["id", "yes"],
                "limits": 5,
            }
        ],
        "log": {"format": "text", "level": "error"},
    }


def unmasked(text: str) -> str:
    """The same with each mask replaced by a secret; the second key's is its private key."""
    key = "private_key: '********'"
    text = text.replace(key, f"private_key: {PAIR.private!r}".replace("'", '"'))
    head, tickets, rest = text.partition("\ntickets:")
    rest = rest.replace("********", f"{CANARY}-tickets", 1)
    return f"{head}{tickets}{rest}".replace("********", CANARY)


@pytest.mark.parametrize("mapping", [minimal(), full()], ids=["minimal", "full"])
def test_the_effective_configuration_is_a_configuration(
    tmp_path: Path, mapping: dict[str, object]
) -> None:
    settings = from_mapping(mapping)
    path = tmp_path / "effective.yaml"
    path.write_text(unmasked(effective(settings)))
    again = load(path, {})
    assert effective_mapping(again) == effective_mapping(settings)
    for section in Settings.model_fields.keys() - {"auth", "tickets"}:
        assert getattr(again, section) == getattr(settings, section) or mapping == minimal()


def test_secrets_are_masked() -> None:
    text = effective(from_mapping(full()))
    assert CANARY not in text
    assert "PRIVATE KEY" not in text
    assert "PUBLIC KEY" in text
    assert text.count("********") == 5


def test_no_kind_of_key_shows_a_secret(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(CANARY[:32])
    url = "https://id.example/keys"
    settings = from_mapping(
        minimal(
            auth={
                "keys": [
                    {"algorithms": ["ES256"], "jwks_url": f"{url}?code={CANARY}"},
                    {"algorithms": ["ES256"], "jwks_url": url},
                ],
                "uri_signing": {
                    "decryption_keys": [
                        {"algorithm": "dir", "secret": CANARY[:32]},
                        {"algorithm": "A256KW", "secret_file": "key"},
                        {"algorithm": "ECDH-ES", "private_key": PAIR.private},
                    ]
                },
            }
        ),
        tmp_path,
    )
    for said in (effective(settings), repr(settings), str(effective_mapping(settings))):
        assert CANARY[:32] not in said
        assert "PRIVATE KEY" not in said
    shown = effective_mapping(settings)["auth"]
    assert [key["jwks_url"] for key in shown["keys"]] == [f"{url}?********", url]
    assert shown["uri_signing"]["decryption_keys"] == [
        {"algorithm": "dir", "secret": "********"},
        {"algorithm": "A256KW", "secret_file": "key"},
        {"algorithm": "ECDH-ES", "private_key": "********"},
    ]
    kept = settings.auth.keys[0]
    assert isinstance(kept, KeySetUrl)
    assert kept.jwks_url.endswith(CANARY)


def test_defaults_are_shown_as_one_would_write_them() -> None:
    text = effective(from_mapping(minimal()))
    for line in ("ttl: 12h", "timeout: 100ms", "max_manifest: 8MiB", "silent_after: 2m"):
        assert f"  {line}\n" in text


def test_a_secret_file_is_shown_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "ticket.secret").write_text(CANARY)
    settings = from_mapping(minimal(tickets={"secret_file": "ticket.secret"}), tmp_path)
    shown = yaml.safe_load(effective(settings))["tickets"]
    assert shown == {"secret_file": "ticket.secret", "ttl": "12h", "param": "_sid"}


def test_proxies_that_listen_elsewhere_have_one_fingerprint() -> None:
    one, other = (
        minimal(listen={"host": host, "port": port}, admin={"host": host, "port": port + 1})
        for host, port in (("127.0.0.1", 8081), ("::1", 8082))
    )
    assert fingerprint(from_mapping(one)) == fingerprint(from_mapping(other))


def test_where_files_are_makes_no_difference_to_the_fingerprint(tmp_path: Path) -> None:
    theirs = Pair.of(ec.generate_private_key(ec.SECP256R1())).public
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "tickets").write_text(f"{CANARY}-{folder}")
        (tmp_path / folder / "public").write_text(PAIR.public)
    (tmp_path / "theirs").write_text(theirs)

    def of(tickets: dict[str, str], **public: str) -> str:
        auth = {"keys": [{"algorithm": "ES256", **public}]}
        return fingerprint(from_mapping(minimal(auth=auth, tickets=tickets), tmp_path))

    secret_file = {"secret_file": "one/tickets"}
    one = of(secret_file, public_key_file="one/public")
    assert of({"secret_file": "other/tickets"}, public_key_file="other/public") == one
    assert of({"secret": CANARY}, public_key=PAIR.public) == one
    assert of(secret_file, public_key_file="theirs") != one


@pytest.mark.parametrize(
    "other",
    [
        {"auth": {"audience": "tv"}},
        {"limits": {"default": 2}},
        {"identity": {"max_networks": 2}},
        {"routes": [{"name": "live", "path": "/live/**", "origins": ["http://other:8000"]}]},
        {"tickets": {"ttl": "6h"}},
        {"listen": {"trusted_proxies": ["10.0.0.0/8"]}},
        {"admin": {"token": CANARY}},
    ],
    ids=str,
)
def test_what_a_proxy_does_otherwise_makes_another_fingerprint(other: dict[str, Any]) -> None:
    assert fingerprint(from_mapping(merged(minimal(), other))) != fingerprint(
        from_mapping(minimal())
    )


def resolved(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in node:
        return dict(schema["$defs"][node["$ref"].rpartition("/")[2]])
    return node


def all_keys(schema: dict[str, Any], node: dict[str, Any], at: str = "") -> dict[str, Any]:
    """Every key of a schema with what the schema says of it."""
    node = resolved(schema, node)
    found: dict[str, Any] = {}
    for name, value in node.get("properties", {}).items():
        found[f"{at}{name}"] = value
        found |= all_keys(schema, value, f"{at}{name}.")
    for item in (node["items"], *node["items"].get("anyOf", ())) if "items" in node else ():
        found |= all_keys(schema, item, at)
    return found


def test_the_schema_explains_every_key_and_refuses_others() -> None:
    schema = json_schema()
    keys = all_keys(schema, schema)
    assert {"listen.tls.cert", "auth.keys.secret_file", "routes.limits"} <= keys.keys()
    for key, value in keys.items():
        # What is said of a section may stand at its definition.
        assert {**resolved(schema, value), **value}.get("description"), key
    assert schema["additionalProperties"] is False
    sections = [part for part in schema["$defs"].values() if "properties" in part]
    assert all(part["additionalProperties"] is False for part in sections)
    assert schema["required"] == ["auth", "tickets", "routes"]


def test_the_schemas_defaults_are_the_settings_own() -> None:
    schema = json_schema()
    one_key, key_set = minimal()["auth"], {"algorithms": ["ES256"], "jwks_url": "https://id"}
    assert isinstance(one_key, dict)
    auth = {"keys": [*one_key["keys"], key_set]}
    shown = effective_mapping(from_mapping(minimal(auth=auth)))
    limits = {"rules": [{"name": "one", "max": 1}]}
    with_a_rule = effective_mapping(from_mapping(minimal(limits=limits)))
    for key, value in all_keys(schema, schema).items():
        if "default" in value and value["default"] is not None:
            here: Any = with_a_rule if key.startswith("limits.rules.") else shown
            for part in key.split("."):
                if isinstance(here, list):
                    here = next(item for item in here if part in item)
                here = here[part]
            assert value["default"] == here, key
