from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from proxy.settings.keys import AuthKey
from proxy.settings.load import ConfigError, from_mapping
from proxy.settings.schema import Settings
from tests.settings.samples import Pair, minimal, pem
from tests.support.good_secrets import secret

RSA_KEY = rsa.generate_private_key(65537, 2048)
OTHER_RSA_KEY = rsa.generate_private_key(65537, 2048)
# One algorithm for each type of key.
PAIRS = {
    "RS256": Pair.of(RSA_KEY),
    "ES256": Pair.of(ec.generate_private_key(ec.SECP256R1())),
    "ES384": Pair.of(ec.generate_private_key(ec.SECP384R1())),
    "ES512": Pair.of(ec.generate_private_key(ec.SECP521R1())),
    "EdDSA": Pair.of(ed25519.Ed25519PrivateKey.generate()),
}
OTHERS = {
    "RS256": Pair.of(OTHER_RSA_KEY),
    "ES256": Pair.of(ec.generate_private_key(ec.SECP256R1())),
    "ES384": Pair.of(ec.generate_private_key(ec.SECP384R1())),
    "ES512": Pair.of(ec.generate_private_key(ec.SECP521R1())),
    "EdDSA": Pair.of(ed448.Ed448PrivateKey.generate()),
}
KINDS = {
    "RS256": "an RSA key",
    "ES256": "a key on P-256",
    "ES384": "a key on P-384",
    "ES512": "a key on P-521",
    "EdDSA": "an Ed25519 key",
}
RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")


def with_key(base: Path | None = None, **key: str) -> Settings:
    return from_mapping(minimal(auth={"keys": [key]}), base)


def key_of(base: Path | None = None, **key: str) -> AuthKey:
    (entry,) = with_key(base, **key).auth.keys
    assert isinstance(entry, AuthKey)
    return entry


def errors(base: Path | None = None, **key: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        with_key(base, **key)
    return [f"{problem.key}: {problem.message}" for problem in caught.value.problems]


@pytest.mark.parametrize("algorithm", sorted({*PAIRS, *RSA_ALGORITHMS}))
def test_what_one_half_signs_the_other_verifies(algorithm: str) -> None:
    pair = PAIRS["RS256" if algorithm in RSA_ALGORITHMS else algorithm]
    key = key_of(algorithm=algorithm, public_key=pair.public, private_key=pair.private)
    assert key.private_pem is not None
    assert key.public_pem is not None
    token = jwt.encode({"sub": "alice"}, key.private_pem, algorithm)
    assert jwt.decode(token, key.public_pem, [algorithm]) == {"sub": "alice"}


@pytest.mark.parametrize("algorithm", PAIRS)
def test_keys_may_come_from_files(tmp_path: Path, algorithm: str) -> None:
    pair = PAIRS[algorithm]
    (tmp_path / "public.pem").write_bytes(b"Schl\xfcssel\n" + pair.public.encode())
    (tmp_path / "private.pem").write_text(pair.private)
    key = key_of(
        tmp_path,
        algorithm=algorithm,
        public_key_file="public.pem",
        private_key_file="private.pem",
    )
    assert key.public_pem is not None
    assert pair.public.strip() in key.public_pem
    assert key.private_pem == pair.private.strip()


@pytest.mark.parametrize("algorithm", PAIRS)
def test_a_key_of_another_type_is_refused(algorithm: str) -> None:
    for other, pair in PAIRS.items():
        if other != algorithm:
            assert errors(algorithm=algorithm, public_key=pair.public) == [
                f"auth.keys[0].public_key: is {KINDS[other]}; {algorithm} takes {KINDS[algorithm]}"
                + (" or an Ed448 key" if algorithm == "EdDSA" else "")
            ]


@pytest.mark.parametrize("algorithm", PAIRS)
def test_halves_of_two_pairs_are_refused(algorithm: str) -> None:
    public, private = PAIRS[algorithm].public, OTHERS[algorithm].private
    assert errors(algorithm=algorithm, public_key=public, private_key=private) == [
        "auth.keys[0].private_key: is not the other half of the public key"
    ]


def test_a_private_key_in_the_public_keys_place_is_refused() -> None:
    assert errors(algorithm="RS256", public_key=PAIRS["RS256"].private) == [
        (
            "auth.keys[0].public_key: holds a private key; here belongs a public key:"
            " `openssl pkey -pubout` makes it"
        )
    ]


def test_an_encrypted_private_key_is_refused_without_asking_for_its_password() -> None:
    locked = pem(RSA_KEY, password="secret")
    assert errors(algorithm="RS256", public_key=PAIRS["RS256"].public, private_key=locked) == [
        (
            "auth.keys[0].private_key: holds an encrypted private key; here belongs a private key"
            " without a password: `openssl pkey` makes it"
        )
    ]


def test_a_curve_of_another_algorithm_is_refused() -> None:
    wide = Pair.of(ec.generate_private_key(ec.SECP384R1()))
    assert errors(algorithm="ES256", public_key=wide.public) == [
        "auth.keys[0].public_key: is a key on P-384; ES256 takes a key on P-256"
    ]


def test_a_short_rsa_key_is_refused() -> None:
    short = Pair.of(rsa.generate_private_key(65537, 1024))
    assert errors(algorithm="RS256", public_key=short.public) == [
        "auth.keys[0].public_key: has 1024 bits; RS256 needs at least 2048"
    ]


@pytest.mark.parametrize(
    ("bits", "exponent", "reason"),
    [
        (8193, 65537, "has 8193 bits; RS256 takes 8192 at most"),
        (2048, 2**32 + 1, "has a public exponent of more than 32 bits"),
    ],
)
def test_an_rsa_key_that_takes_long_to_verify_with_is_refused(
    bits: int, exponent: int, reason: str
) -> None:
    slow = rsa.RSAPublicNumbers(exponent, 2 ** (bits - 1) + 1).public_key()
    pem = slow.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assert errors(algorithm="RS256", public_key=pem) == [f"auth.keys[0].public_key: {reason}"]


def test_what_is_no_key_is_refused() -> None:
    damaged = PAIRS["ES256"].public.replace("M", "N")
    assert errors(algorithm="ES256", public_key=damaged) == [
        (
            "auth.keys[0].public_key: holds a public key that is damaged, or of a kind that is not"
            " known"
        )
    ]


def test_a_public_key_is_never_an_hmac_secret() -> None:
    assert errors(algorithm="HS256", public_key=PAIRS["RS256"].public) == [
        "auth.keys[0].secret: HS256 needs secret or secret_file; empty is as if left out",
        "auth.keys[0].public_key: has no use with HS256, which takes a secret",
    ]


def test_a_private_key_has_no_use_with_hmac() -> None:
    found = errors(algorithm="HS256", secret=secret("s"), private_key=PAIRS["RS256"].private)
    assert found == ["auth.keys[0].private_key: has no use with HS256, which takes a secret"]


@pytest.mark.parametrize(("algorithm", "least"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_a_secret_is_as_long_as_its_hash(algorithm: str, least: int) -> None:
    # Of letters that take two bytes each.
    letters = "".join(map(chr, range(0xE0, 0xE0 + least // 2)))
    key = key_of(algorithm=algorithm, secret=letters)
    assert key.shared_secret == letters.encode()
    assert errors(algorithm=algorithm, secret="s" * (least - 1)) == [
        f"auth.keys[0].secret: has {least - 1} bytes; {algorithm} needs at least {least}"
    ]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_secret_file_may_end_with_one_line_end(tmp_path: Path, end: bytes) -> None:
    secret = b" \xff\x00 binary secrets are secrets too \n\t"
    (tmp_path / "jwt.secret").write_bytes(secret + end)
    key = key_of(tmp_path, algorithm="HS256", secret_file="jwt.secret")
    assert key.shared_secret == secret


def test_a_secret_given_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "jwt.secret").write_text(secret("f"))
    assert errors(tmp_path, algorithm="HS256", secret=secret("s"), secret_file="jwt.secret") == [
        "auth.keys[0].secret: secret and secret_file exclude each other"
    ]


def test_neither_repr_nor_dump_shows_a_secret(tmp_path: Path) -> None:
    canary = "c4n4ry-" + secret("c4n4ry")
    (tmp_path / "ticket.secret").write_text(f"{canary}-tickets")
    settings = from_mapping(
        minimal(
            auth={"keys": [{"algorithm": "HS256", "secret": canary}]},
            tickets={"secret_file": "ticket.secret"},
            admin={"token": canary},
            store={"url": f"redis://:{canary}@h"},
        ),
        tmp_path,
    )
    assert settings.tickets.key == f"{canary}-tickets".encode()
    for shown in (
        repr(settings),
        str(settings),
        repr(settings.tickets),
        settings.model_dump_json(),
    ):
        assert canary not in shown
