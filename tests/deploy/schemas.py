"""Holds the manifests against the schemas of Kubernetes: ``python -m tests.deploy.schemas``.

Part of ``make lint``, for the schemas are large and nothing of ours is run. They are those that the
API server publishes, without room for what it does not know: kubernetes-validate brings them along.
"""

import copy
import json
import sys
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema_rs

from tests.deploy.rendered import FOLDERS, Object, objects, proxies

# The oldest that knows all we use (preStop's sleep), and the newest there are schemas of.
VERSIONS = ("1.30", "1.37")

# Of the ServiceMonitor what we use; the definition of the rest is in its operator.
DURATION = {"type": "string", "pattern": "^([0-9]+(ms|s|m|h))+$"}
RELABELING = {
    "type": "object",
    "additionalProperties": False,
    "required": ["sourceLabels", "targetLabel"],
    "properties": {
        "sourceLabels": {"type": "array", "items": {"type": "string"}},
        "targetLabel": {"type": "string"},
        "replacement": {"type": "string"},
    },
}
SERVICE_MONITOR = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "spec": {
            "type": "object",
            "additionalProperties": False,
            "required": ["selector", "endpoints"],
            "properties": {
                "selector": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"matchLabels": {"additionalProperties": {"type": "string"}}},
                },
                "podTargetLabels": {"type": "array", "items": {"type": "string"}},
                "endpoints": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {
                            "port": {"type": "string"},
                            "path": {"type": "string", "pattern": "^/"},
                            "interval": DURATION,
                            "scrapeTimeout": DURATION,
                            "relabelings": {"type": "array", "items": RELABELING},
                        },
                    },
                },
            },
        }
    },
}


def schema(version: str, name: str) -> Any:
    """Read one of the schemas of a version."""
    folder = files("kubernetes_validate") / f"kubernetes-json-schema/v{version}.0-local-strict"
    return json.loads((folder / f"{name}.json").read_text())


@cache
def definitions(version: str) -> jsonschema_rs.Registry:
    """Give what the schemas of a version refer to."""
    shared = schema(version, "_definitions")
    return jsonschema_rs.Registry([(shared["$id"], shared)])


@cache
def validator(version: str, api_version: str, kind: str) -> jsonschema_rs.Validator:
    """Give what a kind of object is held against."""
    if api_version == "monitoring.coreos.com/v1":
        return jsonschema_rs.validator_for(SERVICE_MONITOR)
    group, _, number = api_version.rpartition("/")
    name = "-".join(filter(None, (kind.lower(), group.partition(".")[0], number)))
    return jsonschema_rs.validator_for(schema(version, name), registry=definitions(version))


def faults(found: Object) -> Iterator[str]:
    """Give what is wrong with an object, in any version."""
    for version in VERSIONS:
        for error in validator(version, found["apiVersion"], found["kind"]).iter_errors(found):
            where = ".".join(str(part) for part in error.instance_path)
            name = found["metadata"]["name"]
            yield f"{found['kind']} {name} ({version}): {where}: {error.message}"


def main() -> None:
    """Look at every object of every folder."""
    told = [
        f"{folder}: {fault}" for folder in FOLDERS for o in objects(folder) for fault in faults(o)
    ]
    # Schemas that let everything pass would be none.
    broken = copy.deepcopy(proxies(FOLDERS[0]))
    broken["spec"]["template"]["spec"]["containers"][0]["readOnlyRootFilesystem"] = True
    if len(list(faults(broken))) != len(VERSIONS):
        told.append("a field in the wrong place was not noticed")
    if told:
        sys.exit("\n".join(told))
    count = sum(len(objects(folder)) for folder in FOLDERS)
    sys.stdout.write(f"{count} objects are as Kubernetes wants them\n")


if __name__ == "__main__":
    main()
