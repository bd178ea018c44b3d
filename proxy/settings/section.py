"""What every part of the configuration has in common.

A section is a frozen value that refuses keys it does not know. One left empty (``cors:``) is one
left out. What several settings decide together is checked as soon as those are valid by
themselves, whatever else is wrong, so that one mistake never hides another; ``conflict`` and
``together`` are the means for such checks to name the keys at fault.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

T = TypeVar("T")

CONFLICT = "conflict"

Check = Callable[[Sequence[object]], Iterator[InitErrorDetails]]


class Section(BaseModel):
    """A mapping of the configuration file with a fixed set of keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_left_out(cls, data: Any) -> Any:
        return {} if data is None else data


def conflict(message: str, *at: str | int) -> InitErrorDetails:
    """Describe one conflict; ``at`` leads from the value being validated to the key at fault."""
    return InitErrorDetails(type=PydanticCustomError(CONFLICT, message), loc=at, input=None)


def conflicts(*found: InitErrorDetails) -> ValidationError:
    """Make the error that a validator raises for what it found."""
    return ValidationError.from_exception_data("configuration", list(found))


def idle(section: type[Section], info: ValidationInfo, value: object, why: str) -> None:
    """Refuse a setting's value that would do nothing; its default asks for nothing.

    For a field validator, with the section it is of.

    Raises:
        ValueError: the value is another than the default.
    """
    if not is_default(section, str(info.field_name), value):
        raise ValueError(f"has no use {why}")


def is_default(section: type[Section], name: str, value: object) -> bool:
    """Tell whether a key has the value that it would have if it were left out."""
    return bool(value == section.model_fields[name].get_default(call_default_factory=True))


def together(*checks: Check) -> WrapValidator:
    """Check the items of a list against each other, whether or not each is valid by itself.

    A check gets the items as they were written and describes the conflicts among those it can
    make sense of.
    """

    def validate(items: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        sequence = items if isinstance(items, list | tuple) else ()
        found = [problem for check in checks for problem in check(sequence)]
        try:
            valid = handler(items)
        except ValidationError as error:
            raise conflicts(*details(error), *found) from None
        if found:
            raise conflicts(*found)
        return valid

    return WrapValidator(validate)


def whole(
    data: object,
    handler: Callable[[object], T],
    check: Callable[[object], Iterator[InitErrorDetails]],
) -> T:
    """Validate a section, and check all of it as it was written, whatever is valid of it.

    For what two of its keys decide together of which the first is at fault; to be called by a
    model validator of mode "wrap".
    """
    found = list(check(data))
    try:
        valid = handler(data)
    except ValidationError as error:
        raise conflicts(*details(error), *found) from None
    if found:
        raise conflicts(*found)
    return valid


def written(item: object, key: str) -> object:
    """Give a key's value of a list item as it was written; None where there is none."""
    return item.get(key) if isinstance(item, Mapping) else getattr(item, key, None)


def no_twins(items_path: str, key: str, *, apart: str = "") -> Check:
    """Make the check that no two items of the list have the same text under ``key``.

    Those that differ in what stands under ``apart`` may.
    """

    def check(items: Sequence[object]) -> Iterator[InitErrorDetails]:
        first: dict[tuple[str, str], int] = {}
        for index, item in enumerate(items):
            text = written(item, key)
            if not isinstance(text, str):
                continue
            twin = first.setdefault((text, repr(written(item, apart))), index)
            if twin != index:
                yield conflict(f"is the {key} of {items_path}[{twin}] already", index, key)

    return check


def details(error: ValidationError) -> Iterator[InitErrorDetails]:
    """Give an error's parts in the form a new error is made of."""
    for part in error.errors(include_url=False):
        if part["type"] == CONFLICT:
            yield conflict(part["msg"], *part["loc"])
        else:
            yield InitErrorDetails(
                type=part["type"],
                loc=part["loc"],
                input=part["input"],
                ctx=part.get("ctx", {}),
            )
