import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from proxy.settings.files import MAX_FILE_SIZE
from proxy.settings.load import ConfigError, from_mapping
from tests.settings.samples import certificate, minimal, pem


def error(base: Path, **section: object) -> str:
    with pytest.raises(ConfigError) as caught:
        from_mapping(minimal(**section), base)
    (problem,) = caught.value.problems
    return f"{problem.key}: {problem.message}"


def secret_error(base: Path, name: object) -> str:
    return error(base, tickets={"secret_file": name}).removeprefix("tickets.secret_file: ")


def test_only_a_regular_file_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    assert secret_error(tmp_path, "pipe") == "cannot be read: no regular file"
    assert secret_error(tmp_path, "folder") == "cannot be read: a folder"
    assert secret_error(tmp_path, "/dev/zero") == "cannot be read: no regular file"
    missing = "cannot be read: no such file"
    assert secret_error(tmp_path, "/nowhere") == missing
    assert (
        secret_error(tmp_path, "nowhere") == f"{missing}, counted from the configuration's folder"
    )
    assert secret_error(tmp_path, "~/here") == f"{missing}; '~' is no folder here"
    assert secret_error(tmp_path, "loop").startswith("cannot be read: ")
    assert secret_error(tmp_path, "x" * 300).startswith("cannot be read: ")
    assert secret_error(tmp_path, "\0").startswith("cannot be read: ")
    assert secret_error(tmp_path, 7) == "must be the path of a file"
    assert secret_error(tmp_path, "") == "must be the path of a file"


def test_an_empty_and_a_huge_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "huge").write_bytes(b"x" * (MAX_FILE_SIZE + 1))
    assert secret_error(tmp_path, "empty") == "the file is empty"
    assert secret_error(tmp_path, "huge") == "cannot be read: the file is larger than 1 MiB"


def test_a_certificate_and_its_key_are_tried_on(tmp_path: Path) -> None:
    key, other = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "cert.pem").write_text(certificate(key))
    (tmp_path / "key.pem").write_text(pem(key))
    (tmp_path / "other.pem").write_text(pem(other))
    (tmp_path / "locked.pem").write_text(pem(key, password="x"))

    def tls(key_name: str | None) -> dict[str, object]:
        return {"tls": {"cert": "cert.pem", "key": key_name}}

    settings = from_mapping(minimal(listen=tls("key.pem")), tmp_path)
    assert settings.listen.tls.key is not None
    assert settings.listen.tls.key.path == tmp_path / "key.pem"
    assert error(tmp_path, listen=tls("other.pem")) == (
        "listen.tls.key: is not the key of the certificate in cert, or of the first there"
    )
    assert error(tmp_path, listen=tls("locked.pem")).startswith(
        "listen.tls.key: holds an encrypted private key; here belongs a private key without a pass"
    )
    assert error(tmp_path, listen=tls("cert.pem")).startswith(
        "listen.tls.key: holds a certificate;"
    )
    swapped = {"tls": {"cert": "key.pem", "key": "key.pem"}}
    assert error(tmp_path, listen=swapped) == (
        "listen.tls.cert: holds a private key; here belongs a certificate"
    )
    assert error(tmp_path, listen=tls(None)).endswith("key is missing")
    assert error(tmp_path, listen={"tls": {"key": "key.pem"}}).endswith("cert is missing")
