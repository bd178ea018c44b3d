"""Environment variables in the configuration: ``${NAME}``, ``${NAME:-default}``.

As in a shell, the default stands in for a variable that is unset or empty; ``$${`` stands for
``${`` itself. What a variable holds is never expanded again, never read as YAML, and never part of
a message.

Braces mean something to YAML too: ``{secret: ${SECRET}}`` would not be YAML. So references are
shielded from its parser, and expanded in the texts that it finds.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^{}]*))?\}")
# The same, what stands for ``${``, and what begins a variable and is none.
REFERENCE = re.compile(rf"\$\$\{{|{VARIABLE.pattern}|\$\{{")
# A reference as a whole, well-formed or not; one with a name never spans lines.
SHIELDED = re.compile(r"\$?\$\{[^{}\n]*\}|\$\$\{")
# A character that Unicode keeps free of meaning, so that only we use it: U+E000, plain or escaped.
MARK = "\ue000"
MARK_IN_TEXT = re.compile(r"\ue000|\\u[eE]000|\\U0000[eE]000")
MARKED = re.compile(r"\ue000([0-9]+)\ue000")


@dataclass(frozen=True, slots=True)
class Shield:
    """A text whose references stand behind marks, and the references in their order."""

    text: str
    references: list[str]

    @classmethod
    def over(cls, text: str) -> "Shield":
        """Put marked numbers in place of the references.

        Raises:
            ValueError: the text uses the mark itself.
        """
        if MARK_IN_TEXT.search(text):
            raise ValueError("uses the private character U+E000")
        numbers = count()
        shielded = SHIELDED.sub(lambda _: f"{MARK}{next(numbers)}{MARK}", text)
        return cls(shielded, SHIELDED.findall(text))

    def lift(self, part: str) -> str:
        """Give a part of the text with its references as they were written."""
        return MARKED.sub(lambda match: self.references[int(match[1])], part)


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Put variables in place of their names.

    Raises:
        ValueError: a variable without default is not set, or ``${`` begins none.
    """
    unset: list[str] = []

    def value(match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        name, default = match[1], match[2]
        if name is None:
            raise ValueError("'${' begins a variable, as in ${NAME} or ${NAME:-default}; or $${")
        if default is not None:
            return environ.get(name) or default
        if name not in environ:
            unset.append(name)
        return environ.get(name, "")

    expanded = REFERENCE.sub(value, text)
    if unset:
        names = ", ".join(dict.fromkeys(unset))
        raise ValueError(f"environment variable not set: {names}")
    return expanded
