"""What two configurations differ in, key by key.

Written as the configuration is shown, so that no secret is ever told: of one that is another, and
of a file whose content is, all that is said is that it changed. Items that have a name are known by
it, wherever in their list they stand; the order of those that stayed is a difference of its own.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.settings.effective import effective_mapping
from proxy.settings.schema import Settings
from proxy.settings.section import Section

# What an item of a list is known by, if it has any of these.
NAMES = ("name", "kid", "jwks_url", "jwks_file")


@dataclass(frozen=True, slots=True)
class Change:
    """A key with another value: what it was and what it is, each None where it was not there.

    The two are equal where they cannot be shown.
    """

    key: str
    old: object
    new: object

    @property
    def is_shown(self) -> bool:
        """Whether more may be said than that it changed."""
        return self.old != self.new

    def __str__(self) -> str:
        if not self.is_shown:
            return f"{self.key}: changed"
        return f"{self.key}: {_text(self.old)} -> {_text(self.new)}"


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def changes(old: Settings, new: Settings) -> tuple[Change, ...]:
    """Give what is another, in the order of the configuration."""
    shown_old, shown_new = effective_mapping(old), effective_mapping(new)
    return tuple(_of_section("", old, new, shown_old, shown_new))


def _of_section(
    at: str, old: Section, new: Section, shown_old: dict[str, Any], shown_new: dict[str, Any]
) -> Iterator[Change]:
    for name in type(new).model_fields:
        key = f"{at}.{name}" if at else name
        values = getattr(old, name), getattr(new, name)
        yield from _of_value(key, *values, shown_old.get(name), shown_new.get(name))


def _of_value(
    at: str, old: object, new: object, shown_old: Any, shown_new: Any
) -> Iterator[Change]:
    if old == new:
        return  # most of a large configuration
    match old, new:
        case Section(), Section() if type(old) is type(new):
            yield from _of_section(at, old, new, shown_old, shown_new)
        case tuple(), tuple() if any(isinstance(item, Section) for item in (*old, *new)):
            yield from _of_items(at, _Items(old, shown_old), _Items(new, shown_new))
        case Mapping(), Mapping():
            for key in dict.fromkeys((*old, *new)):
                values = old.get(key), new.get(key)
                yield from _of_value(f"{at}.{key}", *values, shown_old.get(key), shown_new.get(key))
        case _:
            yield Change(at, shown_old, shown_new)


class _Items:
    """The items of a list, and each as it is shown."""

    def __init__(self, items: Sequence[object], shown: Sequence[Any]) -> None:
        self.items = items
        self.shown = shown
        self.names = tuple(map(_named, shown))

    def by(self, labels: Sequence[object]) -> dict[object, tuple[object, Any]]:
        return dict(zip(labels, zip(self.items, self.shown, strict=True), strict=True))


def _named(shown: Any) -> str | None:
    return next((shown[name] for name in NAMES if shown.get(name)), None)


def _of_items(at: str, old: _Items, new: _Items) -> Iterator[Change]:
    if all(_tell_apart(each.names) for each in (old, new)):
        olds, news = old.by(old.names), new.by(new.names)
        stayed = [name for name in news if name in olds]
        before = [name for name in olds if name in news]
        if before != stayed:
            yield Change(at, before, stayed)
    else:
        olds, news = old.by(range(len(old.items))), new.by(range(len(new.items)))
    nothing = None, None
    for label in dict.fromkeys((*olds, *news)):
        (was, shown_was), (now, shown_now) = olds.get(label, nothing), news.get(label, nothing)
        yield from _of_value(f"{at}[{label}]", was, now, shown_was, shown_now)


def _tell_apart(names: Sequence[str | None]) -> bool:
    return None not in names and len(set(names)) == len(names)
