from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from proxy.settings.load import ConfigError, from_mapping
from proxy.settings.schema import Settings
from proxy.settings.signing import DecryptionKey
from tests.settings.samples import Pair, minimal, pem
from tests.support.good_secrets import secret

RSA = Pair.of(rsa.generate_private_key(65537, 2048))
EC = Pair.of(ec.generate_private_key(ec.SECP256R1()))
PEM = {"RSA-OAEP-256": RSA.private, "ECDH-ES": EC.private, "ECDH-ES+A256KW": EC.private}


AS_THEY_ARE = "which are taken as they are: hex or base64 is not decoded"
ON_A_CURVE = "a key on P-256 or a key on P-384 or a key on P-521"
KEYS = [{"algorithm": "HS256", "secret": secret("s")}]


def with_auth(base: Path | None = None, **auth: Any) -> Settings:
    return from_mapping(minimal(auth={"keys": KEYS, **auth}), base)


def with_key(base: Path | None = None, **key: str) -> DecryptionKey:
    (found,) = with_auth(
        base, uri_signing={"decryption_keys": [key]}
    ).auth.uri_signing.decryption_keys
    return found


def errors(**auth: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        with_auth(**auth)
    return [f"{problem.key}: {problem.message}" for problem in caught.value.problems]


@pytest.mark.parametrize(("algorithm", "length"), [("dir", 64), ("A128KW", 16), ("A256KW", 32)])
def test_a_secret_is_as_long_as_its_cipher_wants(
    algorithm: str, length: int, tmp_path: Path
) -> None:
    assert (
        with_key(algorithm=algorithm, secret=secret("s", length)).material
        == secret("s", length).encode()
    )
    (tmp_path / "key").write_bytes(secret("s", length).encode() + b"\n")
    assert (
        with_key(tmp_path, algorithm=algorithm, secret_file="key").material
        == secret("s", length).encode()
    )


@pytest.mark.parametrize("algorithm", PEM)
def test_a_private_key_is_one_of_its_algorithm(algorithm: str, tmp_path: Path) -> None:
    assert with_key(algorithm=algorithm, private_key=PEM[algorithm]).material
    (tmp_path / "key.pem").write_text(PEM[algorithm], encoding="ascii")
    assert with_key(tmp_path, algorithm=algorithm, private_key_file="key.pem").material


@pytest.mark.parametrize(
    ("key", "error"),
    [
        (
            {"algorithm": "dir"},
            (
                "secret: dir needs secret or secret_file, of 16, 32 or 64 bytes;"
                " empty is as if left out"
            ),
        ),
        (
            {"algorithm": "A256KW", "secret": "ab" * 32},
            f"secret: has 64 bytes; A256KW takes 32, {AS_THEY_ARE}",
        ),
        (
            {"algorithm": "dir", "secret": "s" * 24},
            f"secret: has 24 bytes; dir takes 16, 32 or 64, {AS_THEY_ARE}",
        ),
        (
            {"algorithm": "dir", "secret": secret("s", 16), "private_key": RSA.private},
            "private_key: has no use with dir, which takes a secret",
        ),
        (
            {"algorithm": "RSA-OAEP-256", "private_key": EC.private},
            "private_key: is a key on P-256; RSA-OAEP-256 takes an RSA key",
        ),
        (
            {"algorithm": "ECDH-ES", "private_key": RSA.private},
            f"private_key: is an RSA key; ECDH-ES takes {ON_A_CURVE}",
        ),
        (
            {"algorithm": "ECDH-ES", "private_key": pem(ec.generate_private_key(ec.SECP256K1()))},
            f"private_key: is a key on secp256k1; ECDH-ES takes {ON_A_CURVE}",
        ),
        (
            {
                "algorithm": "RSA-OAEP-256",
                "private_key": pem(rsa.generate_private_key(65537, 1024)),
            },
            "private_key: has 1024 bits; RSA-OAEP-256 needs at least 2048",
        ),
        (
            {"algorithm": "ECDH-ES", "private_key": EC.public},
            "private_key: holds a public key; here belongs a private key without a password",
        ),
    ],
)
def test_a_key_that_decrypts_nothing_is_refused(key: dict[str, str], error: str) -> None:
    found = errors(uri_signing={"decryption_keys": [key]})
    assert found == [f"auth.uri_signing.decryption_keys[0].{error}"]


@pytest.mark.parametrize(
    ("auth", "found"),
    [
        (
            {"sources": ["header"], "uri_signing": {"enabled": True}},
            ["auth.uri_signing.enabled: needs query or cookie in auth.sources"],
        ),
        (
            {"uri_signing": {"enabled": True, "param": "token"}},
            ["auth.uri_signing.param: is the name of other tokens, auth.query_param, too"],
        ),
        (
            {"uri_signing": {"enabled": True, "param": "session"}},
            ["auth.uri_signing.param: is the name of other tokens, auth.cookie, too"],
        ),
        (
            {"cat": {"enabled": True, "query_param": "token"}},
            ["auth.cat.query_param: is the name of other tokens, auth.query_param, too"],
        ),
        (
            {
                "uri_signing": {"enabled": True},
                "cat": {"enabled": True, "cookie": "URISigningPackage"},
            },
            ["auth.cat.cookie: is the name of other tokens, auth.uri_signing.param, too"],
        ),
        (
            {"cat": {"enabled": True, "header": "authorization"}},
            ["auth.cat.header: is where other tokens come"],
        ),
        (
            {"uri_signing": {"enabled": True, "param": "_sid"}},
            ["tickets.param: is the token's parameter, auth.uri_signing.param, too"],
        ),
        (
            {"cat": {"enabled": True, "query_param": "_sid"}},
            ["tickets.param: is the token's parameter, auth.cat.query_param, too"],
        ),
    ],
)
def test_every_kind_of_token_has_a_name_and_a_place_of_its_own(
    auth: dict[str, Any], found: list[str]
) -> None:
    assert errors(**auth) == found


@pytest.mark.parametrize(
    "header",
    ["X-Cat", "Authorization", "Proxy-Authorization", "cookie", "DASH-IF-IETF-Token"],
)
def test_no_header_that_carries_a_credential_names_a_device(header: str) -> None:
    auth = {"keys": KEYS, "cat": {"enabled": True, "header": "X-CAT"}}
    with pytest.raises(ConfigError) as caught:
        from_mapping(minimal(auth=auth, identity={"device_header": header}))
    assert [problem.key for problem in caught.value.problems] == ["identity.device_header"]


def test_names_may_be_shared_with_what_is_off() -> None:
    auth = with_auth(query_param="CAT", cookie="URISigningPackage").auth
    assert (set(auth.query_params), set(auth.cookies)) == ({"CAT"}, {"URISigningPackage"})


def test_the_content_is_never_a_signed_uris_token() -> None:
    route = {"name": "live", "path": "/live/**", "origins": ["http://origin:8000"]}
    params = ["id", "URISigningPackage", "CAT"]
    auth = {"keys": KEYS, "uri_signing": {"enabled": True}}
    with pytest.raises(ConfigError) as caught:
        from_mapping(minimal(auth=auth, routes=[{**route, "content_params": params}]))
    assert [problem.key for problem in caught.value.problems] == ["routes[0].content_params[1]"]


def test_common_access_tokens_need_their_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.settings.cat.find_spec", lambda _: None)
    assert errors(cat={"enabled": True}) == [
        "auth.cat.enabled: needs what is not installed: pip install 'playgate[cat]'"
    ]
    assert not with_auth(cat={"enabled": False}).auth.cat.enabled
