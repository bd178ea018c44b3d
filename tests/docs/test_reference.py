"""The reference of the configuration: every key, told as the code has it."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm

from handbook.keys import Group, Key, groups
from handbook.reference import EXAMPLES, PAGE, current, page
from proxy.settings.effective import json_schema
from proxy.settings.load import ConfigError
from proxy.settings.reload import ConfigFile
from tests.settings.editors import complaints
from tests.settings.samples import Pair, certificate, minimal, pem
from tests.support.good_secrets import secret
from tests.support.stack import merged

pytestmark = pytest.mark.docs

KEYS = {key.name: key for group in groups() for key in group.keys}
VALUES: Mapping[str, object] = yaml.safe_load(EXAMPLES.read_text())
REDIS = {"store": {"url": "redis://redis:6379/0"}}
PUBLIC = {"algorithm": "ES256", "public_key_file": "es256.pem"}
JWKS_URL = {"algorithms": ["ES256"], "jwks_url": "https://id.example/jwks.json"}
CAT = {"auth": {"cat": {"enabled": True}}}
SIGNING = {"auth": {"uri_signing": {"enabled": True}}}
WRAPPED, ENCRYPTED = {"algorithm": "A256KW"}, {"algorithm": "RSA-OAEP-256"}


def keys(*entries: Mapping[str, object]) -> dict[str, Any]:
    return {"auth": {"keys": list(entries)}}


def decryption(entry: Mapping[str, object]) -> dict[str, Any]:
    return merged(SIGNING, {"auth": {"uri_signing": {"decryption_keys": [entry]}}})


# What has to stand beside a key's example, where it is no good by itself.
BESIDE: Mapping[str, dict[str, Any]] = {
    "listen.tls.cert": {"listen": {"tls": {"key": "tls/key.pem"}}},
    "listen.tls.key": {"listen": {"tls": {"cert": "tls/chain.pem"}}},
    "store.key_prefix": REDIS,
    "store.timeout": REDIS,
    "store.on_outage": REDIS,
    "auth.keys[].algorithm": keys({"public_key_file": "es256.pem"}),
    "auth.keys[].algorithms": keys({"jwks_file": "keys.json"}),
    "auth.keys[].secret_file": keys({"algorithm": "HS256"}),
    "auth.keys[].public_key_file": keys({"algorithm": "ES256"}),
    "auth.keys[].public_key": keys({"algorithm": "ES256"}),
    "auth.keys[].private_key_file": keys(PUBLIC),
    "auth.keys[].private_key": keys(PUBLIC),
    "auth.keys[].allow_http": keys({**JWKS_URL, "jwks_url": "http://id.example/jwks.json"}),
    "auth.keys[].jwks_url": keys({"algorithms": ["ES256"]}),
    "auth.keys[].jwks_file": keys({"algorithms": ["ES256"]}),
    "auth.keys[].refresh": keys(JWKS_URL),
    "auth.uri_signing.param": SIGNING,
    "auth.uri_signing.decryption_keys[].algorithm": decryption({"secret_file": "secrets/claims"}),
    "auth.uri_signing.decryption_keys[].secret_file": decryption(WRAPPED),
    "auth.uri_signing.decryption_keys[].secret": decryption(WRAPPED),
    "auth.uri_signing.decryption_keys[].private_key_file": decryption(ENCRYPTED),
    "auth.uri_signing.decryption_keys[].private_key": decryption(ENCRYPTED),
    "auth.cat.query_param": CAT,
    "auth.cat.header": CAT,
    "auth.cat.cookie": CAT,
    "tickets.secret_file": {"tickets": {"secret": None}},
    "limits.rules[].name": {"limits": {"rules": [{"max": 1}]}},
    "limits.rules[].max": {"limits": {"rules": [{"name": "one"}]}},
    **{
        name: {"limits": {"rules": [{"name": "one", "max": 1}]}}
        for name in KEYS
        if name.startswith(("limits.rules[].where.", "limits.rules[].mode"))
    },
    "events.sink": REDIS,
    "events.max_length": merged(REDIS, {"events": {"sink": "redis-stream"}}),
    "events.queue": merged(REDIS, {"events": {"sink": "redis-stream"}}),
    "events.keepalive": REDIS,
    "routes[].strip_prefix": {
        "routes": [{"name": "vod", "path": "/vod/**", "origins": ["http://o"]}]
    },
    "routes[].segments": {
        "routes": [
            {
                "name": "vod",
                "path": "/vod/**",
                "origins": ["http://o"],
                "segment_base_url": "https://cdn.example",
            }
        ]
    },
    "routes[].segment_base_url": {
        "routes": [{"name": "v", "path": "/vod/**", "origins": ["http://o"], "segments": "direct"}]
    },
}


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The folder of a configuration with all files that examples name, and the variables."""
    folder = tmp_path_factory.mktemp("reference")
    (folder / "tls").mkdir()
    (folder / "secrets").mkdir()
    own = ec.generate_private_key(ec.SECP256R1())
    pair = Pair.of(own)
    claims = pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    jwk = ECAlgorithm.to_jwk(own.public_key(), as_dict=True)
    files = {
        "tls/chain.pem": certificate(own),
        "tls/key.pem": pair.private,
        "es256.pem": pair.public,
        "es256.key": pair.private,
        "keys.json": json.dumps({"keys": [jwk]}),
        "claims.key": claims,
        "secrets/jwt": secret("j"),
        "secrets/tickets": secret("f"),
        "secrets/claims": secret("c"),
    }
    for name, content in files.items():
        (folder / name).write_text(content)
    variables = {
        "PLAYGATE_ADMIN_TOKEN": "admin-token-canary",
        "PLAYGATE_JWT_SECRET": secret("v"),
        "PLAYGATE_TICKET_SECRET": secret("w"),
        "PLAYGATE_CLAIMS_SECRET": secret("x"),
        "REDIS_PASSWORD": "secret",
        "ISSUER_PUBLIC_KEY": pair.public,
        "ISSUER_PRIVATE_KEY": pair.private,
        "CLAIMS_PRIVATE_KEY": claims,
    }
    return folder, variables


def test_the_page_is_what_the_settings_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == current(), "make reference"


def test_every_key_of_the_schema_is_told() -> None:
    schema = json_schema()
    sections = {"$ref", "anyOf"}
    named = {
        name
        for part in (schema, *schema["$defs"].values())
        for name, said in part.get("properties", {}).items()
        if not sections & said.keys() or "default" in said
    }
    told = {name.rpartition(".")[2] for name in KEYS}
    of_sections = {part.removesuffix("[]") for name in KEYS for part in name.split(".")[:-1]}
    assert named <= told | of_sections
    assert VALUES.keys() == KEYS.keys()


def test_a_key_is_written_with_all_that_is_known_of_it() -> None:
    key = Key("a.b[].c", "duration", "1s to 2s", '"1s"', "What it does.", "no", ("one | two",))
    text = page((Group("a.b[]", "What they do.", (key,)),), {"a.b[].c": ["x|y"]})
    assert text.partition("## ")[2].splitlines() == [
        "`a.b[]`",
        "",
        "What they do.",
        "",
        "### `a.b[].c`",
        "",
        "What it does. In an entry with one | two.",
        "",
        "| value | default | restart | example |",
        "|---|---|---|---|",
        r"| duration, 1s to 2s | `1s` | no | `c: [x\|y]` |",
    ]


def write(file: ConfigFile, values: Mapping[str, Any]) -> None:
    file.path.write_text(yaml.safe_dump(values))


def put(values: dict[str, Any], name: str, value: object) -> dict[str, Any]:
    """Set a key by its name, in the first entry where it is one of a list."""
    part, _, rest = name.partition(".")
    if not rest:
        return {**values, part: value}
    if part.endswith("[]"):
        entry, *others = values.get(part[:-2]) or [{}]
        return {**values, part[:-2]: [put(entry, rest, value), *others]}
    return {**values, part: put(values.get(part, {}), rest, value)}


@pytest.mark.parametrize("key", list(KEYS.values()), ids=list(KEYS))
def test_an_example_is_good_and_needs_a_restart_if_that_is_said(
    key: Key, material: tuple[Path, dict[str, str]]
) -> None:
    folder, variables = material
    file = ConfigFile(folder / f"{key.name}.yaml", variables)
    beside = merged(minimal(), BESIDE.get(key.name, {}))
    write(file, beside)
    try:
        running = file.load()
    except ConfigError:  # what stands beside it is no good without it
        write(file, minimal())
        running = file.load()
    write(file, put(beside, key.name, VALUES[key.name]))
    reread = file.reread(running)
    changed = [*reread.changed, *reread.needs_restart]
    assert changed, "an example is another value than the default"
    assert bool(reread.needs_restart) == (key.restart.split()[0].strip(",;") in ("yes", "to"))


def in_variables(value: object) -> object:
    """Give a value with a variable in place of each scalar."""
    match value:
        case dict():
            return {key: in_variables(inner) for key, inner in value.items()}
        case list():
            return [in_variables(inner) for inner in value]
    return "${NAME}"


@pytest.mark.parametrize("name", KEYS)
def test_an_example_is_good_for_editors_and_so_are_variables(name: str) -> None:
    beside = merged(minimal(), BESIDE.get(name, {}))
    for value in (VALUES[name], in_variables(VALUES[name])):
        assert complaints(put(beside, name, value)) == []


def too_much() -> Iterator[tuple[str, str, object]]:
    for key in KEYS.values():
        most = key.bounds.rpartition(" ")[2].replace(",", "")
        digits = most.rstrip("msdhBKMGi")
        if digits.isdigit() and "of them" not in key.bounds:
            beyond = f"{int(digits) + 1}{most[len(digits) :]}"
            yield key.name, most, beyond


@pytest.mark.parametrize(("name", "most", "beyond"), list(too_much()))
def test_no_more_is_taken_than_the_bounds_say(
    name: str, most: str, beyond: object, material: tuple[Path, dict[str, str]]
) -> None:
    folder, variables = material
    file = ConfigFile(folder / f"{name}.bound.yaml", variables)
    values = VALUES[name]
    if isinstance(values, dict):  # a mapping's values are bounded
        beyond = dict.fromkeys(values, beyond)
    write(file, put(merged(minimal(), BESIDE.get(name, {})), name, beyond))
    with pytest.raises(ConfigError) as caught:
        file.load()
    assert f"must be at most {most}" in str(caught.value)


def test_as_many_keys_have_bounds_as_settings_do() -> None:
    """Bounds are read off functions; were these written otherwise, they would be missed."""
    bounded = {key.name for key in KEYS.values() if key.value in ("duration", "size", "number")}
    assert {name for name in bounded if not KEYS[name].bounds} == set()
    assert len(list(too_much())) > 25
