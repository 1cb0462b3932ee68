"""Text of a case inside a script: names and titles come from anybody's file and must never become code.

What is no comment is quoted by `shlex.quote` or `repr` where it stands.
"""

import textwrap

from espproof.adapters.printable import printable

WIDTH = 118


def comment(text: str, *, width: int = WIDTH) -> list[str]:
    """The text as lines of comment for a shell or Python; none for no text."""
    wrapped = textwrap.wrap(printable(text), width - 2, break_on_hyphens=False)
    return [f"# {line}" for line in wrapped]
