"""kubectl, and the manifests as they are to be applied. Decides nothing."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MANIFESTS = Path(__file__).parents[1]


class ShipError(Exception):
    """Why it is not done, for whoever asked for it."""


def tell(text: str) -> None:
    """Say what is going on."""
    print(text, file=sys.stderr, flush=True)


def kubectl(*arguments: str, given: str | None = None) -> str:
    """Run kubectl, with something to read if need be; gives what it prints.

    Raises:
        ShipError: it failed.
    """
    command = ["kubectl", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, input=given)
    if done.returncode:
        raise ShipError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def get(namespace: str, kind: str, name: str) -> dict[str, Any]:
    """Read an object; empty where there is none."""
    found = kubectl("-n", namespace, "get", kind, name, "--ignore-not-found", "-o", "json")
    return dict(json.loads(found)) if found.strip() else {}


@contextmanager
def tree(image: str = "") -> Iterator[Path]:
    """Give a copy of the manifests, with another image if one is named."""
    with tempfile.TemporaryDirectory(prefix="playgate-ship-") as folder:
        copy = Path(folder) / "kubernetes"
        shutil.copytree(MANIFESTS, copy)
        if image:
            (copy / "image/kustomization.yaml").write_text(component(image))
        yield copy


def component(image: str) -> str:
    """Write the kustomization that says which image is meant: NAME@DIGEST or NAME:TAG.

    Raises:
        ShipError: it is neither.
    """
    name, mark, version = image.partition("@") if "@" in image else image.rpartition(":")
    if not (name and version):
        raise ShipError(f"{image!r}: write NAME@sha256:… or NAME:TAG")
    chosen = {"name": "playgate", "newName": name, "digest" if mark == "@" else "newTag": version}
    kind = {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component"}
    return json.dumps({**kind, "images": [chosen]})


def namespace_of(overlay: Path) -> str:
    """Read which namespace an overlay is for.

    Raises:
        ShipError: there is no such overlay.
    """
    file = overlay / "kustomization.yaml"
    found = re.search(r"(?m)^namespace: (\S+)$", file.read_text()) if file.is_file() else None
    if found is None:
        raise ShipError(f"{overlay.name}: no overlay with a namespace")
    return found[1]
