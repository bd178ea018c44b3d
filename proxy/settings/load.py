"""From the configuration file to ``Settings``, or to everything that is wrong with it.

The file is read once, and so is every file it names. All mistakes are reported together: those of
the YAML itself, of environment variables, of single values, and of values that do not go together
wherever each is valid by itself. A mistake is reported once, where it was made.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from proxy.settings.files import Digests, digest
from proxy.settings.problems import ConfigError, Problem, dotted, explain
from proxy.settings.schema import Settings
from proxy.settings.source import MAX_LENGTH, Fault, KeyPath, Source, read_source

__all__ = ["ConfigError", "Draft", "Problem", "from_mapping", "load", "read"]

# No character takes more than four bytes: a file that is cut off here is refused for its length.
MAX_BYTES = 4 * MAX_LENGTH + 3
# Values that stand in for what a file says: by section and key.
Held = Mapping[tuple[str, str], object]
NOTHING: Held = {}


@dataclass(frozen=True, slots=True)
class Draft:
    """A configuration file as it was read, before it is held against the schema.

    ``files`` is what was found in it and, once settings were made of it, in those it names.
    """

    path: Path
    source: Source
    files: Digests = field(default_factory=dict)

    def settings(self, held: Held = NOTHING) -> Settings:
        """Make settings of it; relative paths count from its folder.

        ``held`` stands in for what it says; sections are to be good without that.

        Raises:
            ConfigError: with every problem, in the order of their lines.
        """
        source = self.source
        faults = list(source.faults)
        settings: Settings | None = None
        if isinstance(source.value, dict):
            value = _overlaid(source.value, held)
            settings, found = _validate(value, self.path.parent, self.files)
            faults += [
                Fault(at, source.line(at), message)
                for at, message in found
                if not any(at[:length] in source.unreadable for length in range(1, len(at) + 1))
            ]
        if faults or settings is None:
            raise ConfigError(_problems(str(self.path), faults))
        return settings


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """Load a configuration file.

    Raises:
        ConfigError: with every problem, in the order of their lines.
    """
    return read(path, environ).settings()


def read(path: Path, environ: Mapping[str, str]) -> Draft:
    """Read a configuration file.

    Raises:
        ConfigError: it cannot be read, or is no text.
    """
    content = _content(path)
    source = read_source(_text(path, content), environ)
    found = None if len(content) > MAX_BYTES else digest(content)
    # What is no regular file (a pipe) cannot be looked at again.
    return Draft(path, source, {path.absolute(): found} if path.is_file() else {})


def from_mapping(mapping: Mapping[str, object], base: Path | None = None) -> Settings:
    """Make settings of values written as in the file, for a configuration made in code.

    ``base`` is where relative paths count from, the working directory if not given.

    Raises:
        ConfigError: with every problem; they have no line.
    """
    settings, found = _validate(mapping, base or Path(), {})
    if settings is None:
        raise ConfigError(
            tuple(Problem("configuration", None, dotted(at), text) for at, text in found)
        )
    return settings


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unusable(path, 1, f"cannot be read: {error.strerror}") from None
    except ValueError:
        raise _unusable(path, 1, "cannot be read: no file can have this name") from None


def _text(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _unusable(path, line, "is not UTF-8") from None


def _unusable(path: Path, line: int, message: str) -> ConfigError:
    return ConfigError((Problem(str(path), line, dotted(()), message),))


def _overlaid(mapping: Mapping[str, object], held: Held) -> dict[str, object]:
    """Put what is held in the place of what is written."""
    result = dict(mapping)
    for (name, key), value in held.items():
        section = result.get(name)
        result[name] = {**(section if isinstance(section, dict) else {}), key: value}
    return result


def _validate(
    mapping: Mapping[str, object], base: Path, files: Digests
) -> tuple[Settings | None, list[tuple[KeyPath, str]]]:
    try:
        return Settings.model_validate(mapping, context={"base": base, "files": files}), []
    except ValidationError as error:
        return None, list(explain(error, Settings))


def _problems(file: str, faults: Iterable[Fault]) -> tuple[Problem, ...]:
    ordered = sorted(faults, key=lambda fault: fault.line)
    return tuple(Problem(file, fault.line, dotted(fault.at), fault.message) for fault in ordered)
