"""Secrets and keys in the wrong place or form: what is there, and what would be right."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.settings.samples import MINIMAL, Pair, certificate, pem
from tests.support.good_secrets import secret

Errors = Callable[..., list[str]]

SECRET = "      secret: 0123456789abcdef0123456789abcdef"
KEY = ec.generate_private_key(ec.SECP256R1())
PAIR = Pair.of(KEY)
SSH = KEY.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
AROUND = "begins or ends with white space, which is hardly part of it; take it away"
PUBLIC = "here belongs a public key"
AT = "c.yaml:5: auth.keys[0]"


def with_secret(written: str) -> str:
    return MINIMAL.replace(SECRET, f"      {written}")


def with_public(written: str) -> str:
    return with_secret(written).replace("HS256", "ES256")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (secret("s").encode() + b"\n\n", AROUND),
        (b" " + secret("s").encode(), AROUND),
        (
            b"\xef\xbb\xbf" + secret("s").encode(),
            "begins with a byte order mark; save the file without",
        ),
        (
            b"$PLAYGATE_PRODUCTION_JWT_SIGNING_SECRET\n",
            "is the name of a variable; ${NAME} takes what it holds",
        ),
    ],
)
def test_what_is_hardly_the_secret_is_told(errors_of: Errors, content: bytes, said: str) -> None:
    Path("jwt.secret").write_bytes(content)
    assert errors_of(with_secret("secret_file: jwt.secret")) == [f"{AT}.secret_file: {said}"]
    text = MINIMAL.replace("secret: fedcba9876543210fedcba9876543210", "secret_file: jwt.secret")
    assert errors_of(text) == [f"c.yaml:7: tickets.secret_file: {said}"]


def test_a_variable_s_line_end_is_no_part_of_a_secret(errors_of: Errors) -> None:
    """As ``echo secret | base64`` leaves one in a Kubernetes secret."""
    text = with_secret("secret: ${JWT}")
    assert errors_of(text, JWT="s" * 40 + "\n") == [f"{AT}.secret: {AROUND}"]


def test_a_secret_is_no_path_of_a_file(errors_of: Errors, tmp_path: Path) -> None:
    (tmp_path / "the-secret-with-which-tokens-are-signed").write_text(secret("s"))
    said = "is the path of a file, which belongs under secret_file"
    path = tmp_path / "the-secret-with-which-tokens-are-signed"
    assert errors_of(with_secret(f"secret: {path}")) == [f"{AT}.secret: {said}"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            pem(KEY),
            "holds a private key; here belongs a public key: `openssl pkey -pubout` makes it",
        ),
        (
            certificate(KEY),
            f"holds a certificate; {PUBLIC}: `openssl x509 -noout -pubkey` makes it",
        ),
        (
            SSH.decode(),
            (
                "holds a key in OpenSSH's form; here belongs a public key:"
                " `ssh-keygen -e -m PKCS8` makes it"
            ),
        ),
        ('{"kty": "EC"}', "holds JSON; here belongs a public key"),
        (
            "hello",
            "is not a public key in PEM form, which begins with -----BEGIN PUBLIC KEY-----",
        ),
    ],
)
def test_what_stands_where_a_public_key_belongs_is_told(
    errors_of: Errors, content: str, said: str
) -> None:
    Path("key.pem").write_text(content)
    text = with_public("public_key_file: key.pem")
    assert errors_of(text) == [f"{AT}.public_key_file: {said}"]


def test_a_key_in_a_variable_has_its_line_ends(errors_of: Errors) -> None:
    text = with_public("public_key: ${PUBLIC}")
    said = "has \\n where its lines end; give it real line ends, or a file"
    assert errors_of(text, PUBLIC=PAIR.public.replace("\n", "\\n")) == [f"{AT}.public_key: {said}"]


def test_a_key_is_not_the_name_of_its_file(errors_of: Errors) -> None:
    assert errors_of(with_public("public_key: keys/es256.pem")) == [
        (
            f"{AT}.public_key: is not a public key in PEM form, which begins with"
            " -----BEGIN PUBLIC KEY-----; a file's name belongs under the key with _file"
        )
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (PAIR.public, "holds a public key; here belongs a private key without a password"),
        (
            pem(KEY, "password"),
            (
                "holds an encrypted private key; here belongs a private key without a password:"
                " `openssl pkey` makes it"
            ),
        ),
    ],
)
def test_what_stands_where_a_private_key_belongs_is_told(
    errors_of: Errors, content: str, said: str
) -> None:
    Path("public.pem").write_text(PAIR.public)
    Path("private.pem").write_text(content)
    text = with_public("{public_key_file: public.pem, private_key_file: private.pem}")
    text = text.replace("{", "").replace("}", "").replace(", private", "\n      private")
    assert errors_of(text) == [f"c.yaml:6: auth.keys[0].private_key_file: {said}"]
