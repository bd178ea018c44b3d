"""From the configuration file to ``Settings``, or to everything that is wrong with it.

The file is read once, and so is every file it names. All mistakes are reported together: those of
the YAML itself, of environment variables, of single values, and of values that do not go together
wherever each is valid by itself. A mistake is reported once, where it was made.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import ValidationError

from proxy.settings.problems import ConfigError, Problem, dotted, explain
from proxy.settings.schema import Settings
from proxy.settings.source import MAX_LENGTH, Fault, KeyPath, read_source

__all__ = ["ConfigError", "Problem", "from_mapping", "load"]


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """Load a configuration file; relative paths in it count from its folder.

    Raises:
        ConfigError: with every problem, in the order of their lines.
    """
    file = str(path)
    source = read_source(_read(path), environ)
    faults = list(source.faults)
    settings: Settings | None = None
    if isinstance(source.value, dict):
        settings, found = _validate(source.value, path.parent)
        faults += [
            Fault(at, source.line(at), message)
            for at, message in found
            if not any(at[:length] in source.unreadable for length in range(1, len(at) + 1))
        ]
    if faults or settings is None:
        raise ConfigError(_problems(file, faults))
    return settings


def from_mapping(mapping: Mapping[str, object], base: Path | None = None) -> Settings:
    """Make settings of values written as in the file, for a configuration made in code.

    ``base`` is where relative paths count from, the working directory if not given.

    Raises:
        ConfigError: with every problem; they have no line.
    """
    settings, found = _validate(mapping, base or Path())
    if settings is None:
        raise ConfigError(
            tuple(Problem("configuration", None, dotted(at), text) for at, text in found)
        )
    return settings


def _read(path: Path) -> str:
    def unusable(line: int, message: str) -> ConfigError:
        return ConfigError((Problem(str(path), line, dotted(()), message),))

    try:
        with path.open("rb") as file:
            # No character takes more than four bytes, so what is cut off here is refused later.
            content = file.read(4 * MAX_LENGTH + 4)
    except OSError as error:
        raise unusable(1, f"cannot be read: {error.strerror}") from None
    except ValueError:
        raise unusable(1, "cannot be read: no file can have this name") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise unusable(line, "is not UTF-8") from None


def _validate(
    mapping: Mapping[str, object], base: Path
) -> tuple[Settings | None, list[tuple[KeyPath, str]]]:
    try:
        return Settings.model_validate(mapping, context={"base": base}), []
    except ValidationError as error:
        return None, list(explain(error, Settings))


def _problems(file: str, faults: Iterable[Fault]) -> tuple[Problem, ...]:
    ordered = sorted(faults, key=lambda fault: fault.line)
    return tuple(Problem(file, fault.line, dotted(fault.at), fault.message) for fault in ordered)
