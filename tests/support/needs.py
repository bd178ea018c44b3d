"""What a test needs and a machine may not have: a reason to skip, but in CI a reason to fail."""

import os
import shutil
import socket
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import pytest

NODE_MODULES = Path(__file__).parents[2] / "node_modules"
# Servers lie where only an administrator's shell looks.
SERVERS = "/usr/sbin"


def program(*names: str, install: str) -> str:
    """Find a program; skip with the command that installs it, or fail in CI."""
    path = f"{os.environ['PATH']}:{SERVERS}"
    found = next(filter(None, (shutil.which(name, path=path) for name in names)), None)
    return found or _missing(f"{names[0]} is not installed: {install}")


def node_module(path: str) -> Path:
    """Find a file of an npm package; skip with the command that installs it, or fail in CI."""
    file = NODE_MODULES / path
    if not file.exists():
        _missing(f"{path} is not installed: make node")
    return file


def address(address: str) -> None:
    """Skip where an address of loopback is none of this machine's: Linux has 127.0.0.0/8."""
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            _missing(f"{address} is no address of this machine")


def package(name: str, *, install: str) -> None:
    """See that a Python package is there; skip with the command that installs it, or fail in CI."""
    if find_spec(name) is None:
        _missing(f"{name} is not installed: {install}")


def _missing(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
