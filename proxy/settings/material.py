"""Secrets, keys and certificates as they are given: read, or told for what they are instead.

What somebody put in the wrong place is known by its form, so that a message can say what is there
and how to come by what belongs there. Nothing of the material is ever part of a message.
"""

import re
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from pydantic import SecretStr

from proxy.settings.files import LoadedFile

# What the loaders raise: ValueError for what is no key, TypeError for one that wants a password.
KEY_ERRORS = (ValueError, TypeError, UnsupportedAlgorithm)

PUBLIC, PRIVATE, CERTIFICATE = "a public key", "a private key", "a certificate"
ENCRYPTED, OPENSSH, JSON = "an encrypted private key", "a key in OpenSSH's form", "JSON"
# How each begins that belongs somewhere (RFC 7468 §5, §10, §13).
LABELS = {PUBLIC: "PUBLIC KEY", PRIVATE: "PRIVATE KEY", CERTIFICATE: "CERTIFICATE"}
# By what each kind is known, the first that is found.
SIGNS = {
    ENCRYPTED: re.compile(rb"-----BEGIN ENCRYPTED |^Proc-Type: 4,ENCRYPTED", re.MULTILINE),
    OPENSSH: re.compile(rb"\A(?:ssh|ecdsa|sk)-|-----BEGIN OPENSSH "),
    PRIVATE: re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )?PRIVATE KEY-----"),
    PUBLIC: re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )?PUBLIC KEY-----"),
    CERTIFICATE: re.compile(rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----"),
    JSON: re.compile(rb"\A\s*[{\[]"),
}
WANTED = {PRIVATE: "a private key without a password"}
# What makes of one what is wanted.
COMMANDS = {
    (PRIVATE, PUBLIC): "`openssl pkey -pubout`",
    (CERTIFICATE, PUBLIC): "`openssl x509 -noout -pubkey`",
    (OPENSSH, PUBLIC): "`ssh-keygen -e -m PKCS8`",
    (ENCRYPTED, PRIVATE): "`openssl pkey`",
}
FILE_NAME = re.compile(rb"[\w./~-]{1,200}\.[a-z]{2,4}")
# A shell would take it for a variable's name; here, only braces make one.
BARE_VARIABLE = re.compile(rb"\$[A-Za-z_][A-Za-z0-9_]*")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# What somebody was to put a secret in the place of, in the middle of it or as a whole: a template's
# own words, and what was never filled in.
FILLER = re.compile(
    rb"change[-_ .]?(?:me|this|it)|replace[-_ .]?(?:me|this|it)|place[-_ ]?holder"
    rb"|your[-_ .](?:own[-_ .])?(?:secret|token|key|password)",
    re.IGNORECASE,
)
TEMPLATE = re.compile(rb"\$?\{[^{}]*\}|\$\([^()]*\)|<[^<>]*>|\{\{.*\}\}|\[[^][]*\]|%[^%]*%")
# Of 16 random hexadecimal digits, the least that a secret can be made of, one in a million has
# fewer than five different ones.
VARIETY = 5
# What is repeated and shorter than this is known by who knows a part of it.
UNIT = 16
ANOTHER = "`openssl rand -hex 32` makes one"


def material(value: SecretStr | LoadedFile | str) -> bytes:
    """Give the bytes of key material: a text's as UTF-8, a file's less one line end.

    Editors end a file with a line end, and nobody means it to be part of a secret.
    """
    match value:
        case LoadedFile():
            return value.content.removesuffix(b"\n").removesuffix(b"\r")
        case SecretStr():
            return value.get_secret_value().encode()
    return value.encode()


def read_secret(value: SecretStr | LoadedFile) -> bytes:
    """Give the bytes of a secret, unless they can't be what was meant.

    Raises:
        ValueError: it is the name of a variable or of a file, or has around it what an editor or
            a shell left there, so that it is not the same secret elsewhere.
    """
    secret = material(value)
    if BARE_VARIABLE.fullmatch(secret):
        raise ValueError("is the name of a variable; ${NAME} takes what it holds")
    if isinstance(value, SecretStr) and _is_a_file(value.get_secret_value()):
        raise ValueError("is the path of a file, which belongs under secret_file")
    if secret.startswith(BYTE_ORDER_MARK):
        raise ValueError("begins with a byte order mark; save the file without")
    # Where it is text: of random bytes, one in twenty ends in what looks like white space.
    text = secret.strip()
    if text != secret and text.decode("latin-1").isprintable():
        raise ValueError(
            "begins or ends with white space, which is hardly part of it; take it away"
        )
    return secret


def check_unguessable(secret: bytes, how: str = ANOTHER) -> None:
    """Refuse a secret that is none: what a template has in its place, or a few characters repeated.

    Raises:
        ValueError: it could be guessed; ``how`` says in the message how to come by a good one.
    """
    if FILLER.search(secret) or TEMPLATE.fullmatch(secret):
        raise ValueError(f"is what stands in for a secret until there is one: {how}")
    if len(set(secret)) < VARIETY or _unit(secret) < UNIT:
        raise ValueError(f"repeats a few characters, and could be guessed: {how}")


def _unit(secret: bytes) -> int:
    """Give the length of what is repeated to make this, twice at least; UNIT where nothing is."""
    lengths = range(1, min(UNIT, len(secret) // 2 + 1))
    return next((one for one in lengths if secret[one:] == secret[:-one]), UNIT)


def read_public(pem: bytes) -> PublicKeyTypes:
    """Read a public key.

    Raises:
        ValueError: it is something else, or damaged.
    """
    if SIGNS[PRIVATE].search(pem) or SIGNS[ENCRYPTED].search(pem):
        raise ValueError(_instead(pem, PUBLIC))
    try:
        return load_pem_public_key(pem)
    except KEY_ERRORS:
        raise ValueError(_instead(pem, PUBLIC)) from None


def read_private(pem: bytes) -> PrivateKeyTypes:
    """Read a private key that is not encrypted.

    Raises:
        ValueError: it is something else, encrypted, or damaged.
    """
    try:
        return load_pem_private_key(pem, password=None)
    except KEY_ERRORS:
        raise ValueError(_instead(pem, PRIVATE)) from None


def read_certificate(pem: bytes) -> x509.Certificate:
    """Read a certificate, the first where there are several.

    Raises:
        ValueError: it is something else, or damaged.
    """
    try:
        return x509.load_pem_x509_certificate(pem)
    except KEY_ERRORS:
        raise ValueError(_instead(pem, CERTIFICATE)) from None


def check_authorities(file: LoadedFile) -> None:
    """See that a file has certificates by which others can be told to be good.

    Raises:
        ValueError: it is something else, or damaged.
    """
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file.path)
    except OSError:
        raise ValueError(_instead(file.content, CERTIFICATE)) from None


def _instead(pem: bytes, wanted: str) -> str:
    """Say what something is that cannot be read as what is wanted, and what would be right."""
    if b"\\n" in pem:
        return "has \\n where its lines end; give it real line ends, or a file"
    held = next((kind for kind, sign in SIGNS.items() if sign.search(pem)), None)
    if held is None:
        told = f"is not {wanted} in PEM form, which begins with -----BEGIN {LABELS[wanted]}-----"
        is_name = FILE_NAME.fullmatch(pem) is not None
        return f"{told}; a file's name belongs under the key with _file" if is_name else told
    if held == wanted:
        return f"holds {wanted} that is damaged, or of a kind that is not known"
    command = COMMANDS.get((held, wanted))
    how = f": {command} makes it" if command else ""
    return f"holds {held}; here belongs {WANTED.get(wanted, wanted)}{how}"


def _is_a_file(text: str) -> bool:
    try:
        return text.startswith("/") and Path(text).is_file()
    except (OSError, ValueError):  # no path that could be
        return False
