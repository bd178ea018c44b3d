import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from proxy.settings.effective import effective_mapping
from proxy.settings.key_sets import KeySetFile, KeySetUrl
from proxy.settings.load import ConfigError, from_mapping
from proxy.settings.schema import Settings
from tests.settings.samples import minimal
from tests.support.good_secrets import secret
from tests.support.issuer import SigningKey, document, jwk_of

URL = "https://id.example/jwks.json"
NOT_SAFE = "must start with https://, or with allow_http: true beside it"
NO_KEY = "holds no key that could verify a token"
SYMMETRIC = "is symmetric, and no secret once it is published"


def with_keys(*keys: dict[str, Any], base: Path | None = None, **auth: Any) -> Settings:
    return from_mapping(minimal(auth={"keys": list(keys), **auth}), base)


def errors(*keys: dict[str, Any], base: Path | None = None, **auth: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        with_keys(*keys, base=base, **auth)
    return [f"{problem.key}: {problem.message}" for problem in caught.value.problems]


def by_url(url: str = URL, **more: Any) -> dict[str, Any]:
    return {"algorithms": ["ES256"], "jwks_url": url, **more}


def test_a_key_set_may_come_from_a_url() -> None:
    (entry,) = with_keys(by_url(refresh="1h", issuer="https://id")).auth.keys
    assert isinstance(entry, KeySetUrl)
    assert (entry.jwks_url, entry.refresh, entry.issuer) == (URL, 3600, ("https://id",))


def test_a_key_set_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_bytes(document(SigningKey("k")))
    (entry,) = with_keys(
        {"algorithms": ["ES256"], "jwks_file": "keys.json"}, base=tmp_path
    ).auth.keys
    assert isinstance(entry, KeySetFile)
    assert entry.jwks_file.path == tmp_path / "keys.json"


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8000/jwks",
        "http://id.localhost/jwks",
        "http://127.0.0.9/jwks",
        "http://[::1]:8000/jwks",
        "https://id.example/keys?p=policy&v=2",
        "https://id.example/keys/",
        "https://id.example",
    ],
)
def test_https_or_this_machine_is_where_keys_may_come_from(url: str) -> None:
    (entry,) = with_keys(by_url(url)).auth.keys
    assert isinstance(entry, KeySetUrl)
    assert entry.jwks_url == url


@pytest.mark.parametrize(
    "host", ["issuer:8000", "10.0.0.1", "localhost.example", "127.0.0.1.nip.io"]
)
def test_plain_http_from_elsewhere_has_to_be_allowed(host: str) -> None:
    url = f"http://{host}/jwks"
    assert errors(by_url(url)) == [f"auth.keys[0].jwks_url: {NOT_SAFE}"]
    assert with_keys(by_url(url, allow_http=True)).auth.keys


@pytest.mark.parametrize(
    "url",
    [
        "id.example/jwks",
        "ftp://id.example/jwks",
        "file:///etc/passwd",
        "https:///jwks",
        "https://user:canary@id.example/jwks",
        "https://id.example/jwks#canary",
        "https://id.example/a b",
        "https://id.example/%zz",
        "https://id.example/?q=<canary>",
        "",
        7,
        None,
    ],
)
def test_what_is_no_url_of_a_document_is_refused_and_not_repeated(url: Any) -> None:
    (error,) = errors(by_url(url))
    assert error.startswith("auth.keys[0].jwks_url: must be ")
    assert "canary" not in error


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        (by_url(algorithms=["HS256"]), ["algorithms[0]: must be "]),
        (by_url(algorithms=["none"]), ["algorithms[0]: must be "]),
        (by_url(algorithms=[]), ["algorithms: must have at least one item"]),
        (by_url(algorithms=["ES256", "ES256"]), ["algorithms[1]: is in the list already"]),
        ({"jwks_url": URL}, ["algorithms: is required"]),
        (by_url(refresh="10s"), ["refresh: must be at least 30s"]),
        (by_url(refresh="2d"), ["refresh: must be at most 1d"]),
        (by_url(issuer=""), ["issuer[0]: must not be empty"]),
        (by_url(issuer=[]), ["issuer: must have at least one item"]),
        (by_url(algorithm="ES256"), ["algorithm: has no use with jwks_url"]),
        (by_url(kid="k"), ["kid: has no use with jwks_url"]),
        (by_url(jwks_file="x"), ["jwks_file: has no use with jwks_url"]),
        (by_url(secret=secret("s")), ["secret: has no use with jwks_url"]),
        (by_url(refesh="1h"), ["refesh: unknown key; did you mean 'refresh'?"]),
        (
            by_url("http://id", secret="s", refresh="1s", isuer="x"),
            [
                "jwks_url: must start with https://",
                "refresh: must be at least 30s",
                "isuer: unknown key; did you mean 'issuer'?",
                "secret: has no use with jwks_url",
            ],
        ),
    ],
    ids=str,
)
def test_each_mistake_in_an_entry_is_told_once_and_for_what_the_entry_is(
    entry: dict[str, Any], found: list[str]
) -> None:
    told = errors(entry)
    assert len(told) == len(found)
    for line, expected in zip(told, found, strict=True):
        assert line.startswith(f"auth.keys[0].{expected}")


def test_keys_of_a_set_beside_one_key_are_taken_for_a_slip() -> None:
    assert errors({"algorithms": ["ES256"], "secret": secret("s")}) == [
        "auth.keys[0].algorithm: is required",
        "auth.keys[0].algorithms: unknown key; did you mean 'algorithm'?",
    ]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"{", "is not JSON"),
        (b"[]", "is not a JSON Web Key Set"),
        (b'{"keys": []}', NO_KEY),
        (
            json.dumps(
                {
                    "keys": [
                        jwk_of(rsa.generate_private_key(65537, 2048), "RS256", kid="r"),
                        {"kty": "oct", "k": "c2VjcmV0"},
                    ]
                }
            ).encode(),
            f"{NO_KEY}; 'r' is for an algorithm that is not configured; keys[1] {SYMMETRIC}",
        ),
    ],
)
def test_a_file_that_is_of_no_use_is_refused_where_it_is_named(
    tmp_path: Path, content: bytes, found: str
) -> None:
    (tmp_path / "keys.json").write_bytes(content)
    entry = {"algorithms": ["ES256"], "jwks_file": "keys.json"}
    assert errors(entry, base=tmp_path) == [f"auth.keys[0].jwks_file: {found}"]


def test_errors_have_their_line(errors_of: Callable[..., list[str]]) -> None:
    text = """\
auth:
  keys:
    - algorithms: [ES256]
      jwks_url: http://id.example/jwks
      refresh: 1s
    - algorithms: [ES256]
      jwks_file: nowhere.json
      secret: canary
  issuer: [a, a]
tickets: {secret: fedcba9876543210fedcba9876543210}
routes: [{name: live, path: /live/**, origins: [http://origin:8000]}]
"""
    assert errors_of(text) == [
        f"c.yaml:4: auth.keys[0].jwks_url: {NOT_SAFE}",
        "c.yaml:5: auth.keys[0].refresh: must be at least 30s",
        (
            "c.yaml:7: auth.keys[1].jwks_file: cannot be read: no such file,"
            " counted from the configuration's folder"
        ),
        "c.yaml:8: auth.keys[1].secret: has no use with jwks_file",
        "c.yaml:9: auth.issuer[1]: is in the list already",
    ]


def test_one_set_is_named_once() -> None:
    assert errors(by_url(), by_url(issuer="https://other")) == [
        "auth.keys[1].jwks_url: is the jwks_url of auth.keys[0] already"
    ]


def test_two_issuers_may_have_keys_of_one_id() -> None:
    def entry(issuer: str | None) -> dict[str, Any]:
        return {"kid": "k", "algorithm": "HS256", "secret": secret("s"), "issuer": issuer}

    assert with_keys(entry("a"), entry("b"), entry(None)).auth.keys
    assert errors(entry("a"), entry("b"), entry("a")) == [
        "auth.keys[2].kid: is the kid of auth.keys[0] already"
    ]


def test_the_issuer_of_all_tokens_leaves_no_key_useless() -> None:
    both = [by_url(), by_url(f"{URL}2", issuer="a")]
    assert with_keys(*both, issuer=["a", "b"]).auth.issuer == ("a", "b")
    assert errors(by_url(), by_url(f"{URL}2", issuer=["a", "c"]), issuer=["a", "b"]) == [
        (
            "auth.issuer: leaves out an issuer of auth.keys[1], whose tokens would be refused;"
            " list it here too, or leave auth.issuer out"
        )
    ]


def test_no_issuer_is_named_for_which_there_is_no_key() -> None:
    assert errors(by_url(issuer="a"), by_url(f"{URL}2", issuer="c"), issuer=["a", "b", "c"]) == [
        "auth.issuer[1]: is an issuer for which auth.keys has no key: add one, or leave it out"
    ]


def test_what_is_in_force_is_a_configuration_again(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_bytes(document(SigningKey("k")))
    settings = with_keys(
        by_url(issuer=["a", "b"]),
        {"algorithms": ["ES256", "RS256"], "jwks_file": "keys.json"},
        base=tmp_path,
    )
    shown = effective_mapping(settings)
    assert shown["auth"]["keys"] == [
        {
            "algorithms": ["ES256"],
            "issuer": ["a", "b"],
            "allow_http": False,
            "jwks_url": URL,
            "refresh": "10m",
        },
        {"algorithms": ["ES256", "RS256"], "issuer": None, "jwks_file": "keys.json"},
    ]
    shown["tickets"]["secret"] = secret("t")
    assert effective_mapping(from_mapping(shown, tmp_path))["auth"] == shown["auth"]
