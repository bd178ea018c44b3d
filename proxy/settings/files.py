"""Files that the configuration names, read once each time it is loaded.

Relative paths count from the folder of the configuration file. Only a regular file of sensible
size is read, so that no path can make a load hang or eat memory. A message tells the reason the
system gives and never the path: somebody may have put the secret itself there.
"""

from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Annotated

from pydantic import PlainSerializer, PlainValidator, ValidationInfo, WithJsonSchema

# Keys and certificate chains are a few KiB; all authorities that a system trusts, a quarter of one.
MAX_FILE_SIZE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """A file as it was when it was loaded; the content stays out of ``repr``.

    ``name`` is what the configuration says, ``path`` where that led.
    """

    name: str
    path: Path
    content: bytes = field(repr=False)


# What tells the content of a file from another, by its full path; None where there is none to use.
Digests = dict[Path, str | None]


def digest(content: bytes) -> str:
    """Give what tells a content from others and says nothing of it."""
    return sha256(content).hexdigest()


def digest_of(path: Path, limit: int) -> str | None:
    """Give the digest of a regular file of at most ``limit`` bytes; None where it is none."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except (OSError, ValueError):
        return None
    return None if len(content) > limit else digest(content)


def load_file(name: object, info: ValidationInfo) -> LoadedFile:
    """Read a file named in the configuration.

    The context's ``base`` is the base folder; its ``files``, if any, take in what was found.

    Raises:
        ValueError: it cannot be read, is empty, too large, or no regular file.
    """
    if isinstance(name, LoadedFile):
        return name
    if not isinstance(name, str) or not name:
        raise ValueError("must be the path of a file")
    context = info.context or {}
    base: Path = context.get("base", Path())
    found: Digests = context.get("files", {})
    path = base / name
    found[path.absolute()] = None
    try:
        if not path.is_file():
            raise ValueError(f"cannot be read: {_instead(path, name)}")
        with path.open("rb") as file:
            content = file.read(MAX_FILE_SIZE + 1)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    if len(content) > MAX_FILE_SIZE:
        raise ValueError("cannot be read: the file is larger than 1 MiB")
    found[path.absolute()] = digest(content)
    if not content.strip():
        raise ValueError("the file is empty")
    return LoadedFile(name, path.absolute(), content)


def _instead(path: Path, name: str) -> str:
    """Say what is in a file's place."""
    if path.is_dir():
        return "a folder"
    if path.exists():
        return "no regular file"
    if name.startswith("~"):
        return "no such file; '~' is no folder here"
    if not Path(name).is_absolute():
        return "no such file, counted from the configuration's folder"
    return "no such file"


FileSetting = Annotated[
    LoadedFile,
    PlainValidator(load_file),
    PlainSerializer(lambda file: file.name, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "minLength": 1}),
]
