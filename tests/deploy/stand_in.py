"""A cluster as far as ship.py sees one: what kubectl says of objects that were applied.

Rendering is kubectl's own. Of the controllers there is what a swap waits for: as many proxies are
ready as the autoscaler wants at least, up to what there is room for.
"""

import copy
import json
import subprocess
from pathlib import Path
from typing import Any

from tests.deploy.rendered import Object, render

KINDS = {
    "deployment": "Deployment",
    "hpa": "HorizontalPodAutoscaler",
    "job": "Job",
    "namespace": "Namespace",
    "secret": "Secret",
    "service": "Service",
}
CLUSTER_WIDE = ("Namespace",)
# What was rendered, by all in which copies of the manifests differ: the same is not rendered twice.
RENDERED: dict[tuple[str, str, str], list[Object]] = {}


def rendered(folder: Path) -> list[Object]:
    """Render a folder of a copy of the manifests."""
    (top,) = (parent for parent in folder.parents if (parent / "ship.py").exists())
    image, own = (top / "image/kustomization.yaml", folder / "kustomization.yaml")
    name = str(folder.relative_to(top))
    key = (name, image.read_text(), own.read_text())
    if key not in RENDERED:
        RENDERED[key] = render(folder)
    return copy.deepcopy(RENDERED[key])


class Cluster:
    """Objects by namespace, kind and name; and what was done, in order."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Object] = {}
        self.done: list[str] = []
        self.room: dict[str, int] = {}  # for so many proxies of a slot, where there is not for all
        self.broken: set[str] = set()  # names of Deployments that do not come up, Jobs that fail
        self.failing_slot = ""  # fails once players are led there

    def run(self, command: list[str], **given: Any) -> subprocess.CompletedProcess[str]:
        """Stand in for subprocess.run."""
        assert command[0] == "kubectl"
        try:
            answer = self._answer(command[1:], given["input"])
        except LookupError as error:
            return subprocess.CompletedProcess(command, 1, "", str(error))
        return subprocess.CompletedProcess(command, 0, answer, "")

    def slot(self) -> str:
        """Which slot players are led to."""
        door = self.objects["playgate", "Service", "playgate"]
        return str(door["spec"]["selector"]["slot"])

    def least(self, name: str) -> int:
        """How many proxies the autoscaler leaves."""
        return int(self._of("playgate", "hpa", name)["spec"]["minReplicas"])

    def image(self, namespace: str, name: str) -> str:
        """What a Deployment runs."""
        spec = self._of(namespace, "deployment", name)["spec"]["template"]["spec"]
        return str(spec["containers"][0]["image"])

    def _of(self, namespace: str, kind: str, name: str) -> Object:
        place = "" if KINDS[kind] in CLUSTER_WIDE else namespace
        return self.objects.get((place, KINDS[kind], name), {})

    def _answer(self, words: list[str], given: str | None) -> str:  # noqa: PLR0911  # a table
        namespace = words[1] if words[0] == "-n" else ""
        match words[2:] if namespace else words:
            case ["apply", "-k", folder, *_]:
                return self._apply(rendered(Path(folder)))
            case ["create", "namespace", name]:
                return self._apply([{"kind": "Namespace", "metadata": {"name": name}}])
            case ["create", "-f", "-"]:
                assert given
                return self._apply([json.loads(given)])
            case ["delete", "-k", folder, "--ignore-not-found", "--wait"]:
                self.done.append(f"delete {Path(folder).name}")
                return ""
            case ["delete", "namespace", name, "--ignore-not-found", "--wait=false"]:
                self.objects = {k: v for k, v in self.objects.items() if name not in (k[0], k[2])}
                return ""
            case ["get", "pods"]:
                return "playgate-1 CrashLoopBackOff"
            case ["get", kind, name, "--ignore-not-found", "-o", "json"]:
                found = self._of(namespace, kind, name)
                return json.dumps({**found, "status": self._status(found)}) if found else ""
            case ["rollout", "status", target, _]:
                return self._rolled(target.partition("/")[2])
            case ["patch", "hpa", name, "--type=merge", "-p", patch]:
                spec = json.loads(patch)["spec"]
                self._of(namespace, "hpa", name)["spec"].update(spec)
                self.done.append(f"{name}: at least {spec['minReplicas']}")
                return ""
            case ["logs", *_]:
                return "what the Job said"
        raise AssertionError(f"unexpected: {words}")

    def _apply(self, found: list[Object]) -> str:
        for each in found:
            metadata = each["metadata"]
            self.objects[metadata.get("namespace", ""), each["kind"], metadata["name"]] = each
            if each["kind"] == "Service" and metadata["name"] == "playgate":
                self.done.append(f"door: {each['spec']['selector'].get('slot', '-')}")
        kinds = {"Deployment": "deployment.apps", "Job": "job.batch"}
        return "\n".join(
            f"{kinds.get(each['kind'], each['kind'].lower())}/{each['metadata']['name']}"
            for each in found
        )

    def _rolled(self, name: str) -> str:
        self.done.append(f"rolled {name}")
        if name in self.broken:
            raise LookupError(f"{name} exceeded its progress deadline")
        return ""

    def _status(self, found: Object) -> Object:
        name = found["metadata"]["name"]
        if found["kind"] == "Job":
            # Looked at first, it still runs.
            if (seen := f"job {name} is running") not in self.done:
                self.done.append(seen)
                return {}
            ended = "Failed" if name in self.broken else "Complete"
            return {"conditions": [{"type": ended, "status": "True"}]}
        if found["kind"] != "Deployment":
            return {}
        if self.failing_slot and name.endswith(self.failing_slot) and self.slot() in name:
            return {}
        return {"readyReplicas": min(self.room.get(name, 100), self.least(name))}
