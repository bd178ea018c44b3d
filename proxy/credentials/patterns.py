"""Regular expressions that come in tokens, matched in bounded time and memory.

Whoever signs a token is trusted to say which URIs it opens, not with this process: a shared key
may leak (RFC 9246 §6), and a backtracking engine can be kept busy for years by twenty characters.
RE2 is linear in pattern and text, and both are bounded here.
"""

import re2

# Real ones have some hundred characters.
MAX_PATTERN_LENGTH = 1024
# Instructions of the compiled program, one for each plain character and many for a repetition: time
# is their number times the length of the text, so that the worst there is takes 15 milliseconds.
MAX_PROGRAM = 1100
MAX_TEXT_LENGTH = 2048
MAX_MEMORY = 2**18


class Pattern:
    """A POSIX extended regular expression (POSIX.1 §9.4) for the whole of a text.

    The whole, because a text that goes on where the expression ends is another one: with a
    search, ``https://host/free/.*`` would allow ``https://host/paid?https://host/free/``.

    Raises:
        ValueError: it is none, uses what RE2 has not got, or is too costly.
    """

    __slots__ = ("_compiled", "text")

    def __init__(self, text: str) -> None:
        if len(text) > MAX_PATTERN_LENGTH:
            raise ValueError(f"a regular expression may have {MAX_PATTERN_LENGTH} characters")
        options = re2.Options()
        options.posix_syntax = True
        options.one_line = True
        options.never_capture = True
        options.max_mem = MAX_MEMORY
        options.log_errors = False
        try:
            self._compiled = re2.compile(text, options)
        except (re2.error, UnicodeError) as error:
            raise ValueError("not a regular expression that can be used") from error
        if self.cost > MAX_PROGRAM:
            raise ValueError("the regular expression is too costly")
        self.text = text

    @property
    def cost(self) -> int:
        """The number of instructions that one character of a text may take."""
        size: int = self._compiled.programsize
        return size

    def matches(self, text: str) -> bool:
        """Tell whether it matches the whole text; never one that is too long."""
        return len(text) <= MAX_TEXT_LENGTH and self._compiled.fullmatch(text) is not None

    def __repr__(self) -> str:
        return f"Pattern({self.text!r})"
