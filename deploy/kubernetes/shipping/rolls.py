"""Bringing an overlay to its cluster: apply, wait, check; and Jobs that judge it."""

import json
import re
import secrets
import time
from pathlib import Path
from typing import Any

from shipping.cluster import ShipError, get, kubectl, namespace_of, tell

# Twenty pods, five at a time, each up to a minute, and nodes that have to be made first.
ROLL_TIMEOUT = "15m"
# What a review's proxies are given: nobody else needs to know it.
REVIEW_SECRETS = ("PLAYGATE_TICKET_SECRET", "PLAYGATE_ADMIN_TOKEN", "PLAYGATE_JWT_SECRET")


def roll(overlay: Path, *, every: float) -> None:
    """Apply an overlay, wait until all of its Deployments run it, and have it checked.

    ``every`` is how often to look how a Job does, in seconds, here and below.
    """
    namespace = namespace_of(overlay)
    applied = kubectl("apply", "-k", str(overlay), "-o", "name").split()
    for name in applied:
        if name.startswith("deployment.apps/"):
            wait(namespace, name)
    if (overlay / "check").is_dir():
        job(overlay / "check", every=every)


def wait(namespace: str, name: str) -> None:
    """Wait until a Deployment runs what it should; shows the pods where it does not come to that.

    Raises:
        ShipError: it did not. What ran before still does.
    """
    tell(f"{name}: rolling")
    try:
        kubectl("-n", namespace, "rollout", "status", name, f"--timeout={ROLL_TIMEOUT}")
    except ShipError:
        tell(kubectl("-n", namespace, "get", "pods"))
        raise


def job(overlay: Path, *, every: float) -> None:
    """Run an overlay's Job anew, show its log, and fail as it fails.

    It ends: Jobs of ours have an activeDeadlineSeconds.
    """
    namespace = namespace_of(overlay)
    kubectl("delete", "-k", str(overlay), "--ignore-not-found", "--wait")
    applied = kubectl("apply", "-k", str(overlay), "-o", "name").split()
    (name,) = (name.partition("/")[2] for name in applied if name.startswith("job.batch/"))
    tell(f"job {name}: running")
    while (ended := verdict(get(namespace, "job", name))) == "":
        time.sleep(every)
    selector = f"batch.kubernetes.io/job-name={name}"
    tell(kubectl("-n", namespace, "logs", "--selector", selector, "--tail=-1", "--prefix"))
    if ended != "Complete":
        raise ShipError(f"job {name}: {ended}")


def verdict(state: dict[str, Any]) -> str:
    """Say how a Job ended: Complete, Failed, or nothing while it runs."""
    for condition in state.get("status", {}).get("conditions", []):
        if condition["status"] == "True" and condition["type"] in ("Complete", "Failed"):
            return str(condition["type"])
    return ""


def review(copy: Path, number: int, *, every: float) -> None:
    """Run a pull request in a namespace of its own, which is made with its secrets."""
    overlay = copy / "overlays/review"
    namespace = name_review(overlay, number)
    if not get("default", "namespace", namespace):
        kubectl("create", "namespace", namespace)
    if not get(namespace, "secret", "playgate"):
        kubectl("create", "-f", "-", given=made_up_secret(namespace))
    roll(overlay, every=every)


def end_review(copy: Path, number: int) -> None:
    """Remove all that a pull request ran."""
    namespace = name_review(copy / "overlays/review", number)
    kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait=false")


def name_review(overlay: Path, number: int) -> str:
    """Put a pull request's number into the copy of the overlay; gives its namespace."""
    namespace = re.sub(r"0$", str(number), namespace_of(overlay))
    for file in overlay.glob("**/kustomization.yaml"):
        file.write_text(re.sub(r"(?m)^namespace: .*$", f"namespace: {namespace}", file.read_text()))
    return namespace


def made_up_secret(namespace: str) -> str:
    """Write a Secret of random texts."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "playgate", "namespace": namespace},
            "stringData": {name: secrets.token_urlsafe(48) for name in REVIEW_SECRETS},
        }
    )
