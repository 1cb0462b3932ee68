"""What tells one death of an implementation from another: the place that its last words name, or what it was asked.

The last words are those of sanitizers, of a kernel, of assertions and of runtimes that end a program with a report. Where
there are none, it is the requirement of the step at which it died, as far as steps taken one by one show it.
"""

import re

from espproof.adapters.base import AT_RESET, AT_SETUP, AdapterFailure
from espproof.adapters.case import Case
from espproof.adapters.steps import operation
from espproof.conformance.oracle.verdict import Verdict, of_failure

_NAME = r"[A-Za-z_][\w:.~]*"
_FILE = r"(?:[^\s:]*/)?([\w.-]+\.\w+):(\d+)"
_LIBRARIES = r"(?:__\w*|mem(?:cpy|move|set|cmp)|str(?:n?cpy|n?cmp|len|dup)|abort|raise|gsignal|panic|runtime\.\w+)\b"
"""Functions that somebody called wrongly."""
_PLACES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\bBUG: [^⏎]*? in ({_NAME})",
        rf"\bUBSAN: [^⏎]*? in {_FILE}",
        rf"\bkernel BUG at {_FILE}",
        rf"\bWARNING: CPU: \d+ PID: \d+ at \S+ ({_NAME})",
        rf"\bRIP: [0-9a-f]+:({_NAME})",
        rf"#\d+ 0x[0-9a-f]+ in (?!{_LIBRARIES})({_NAME})",
        rf"\bSUMMARY: \w+Sanitizer: [^⏎]* in ({_NAME})",
        rf"{_FILE}(?::\d+)?: runtime error: ",
        rf"\b{_FILE}: ({_NAME})[^⏎]*: Assertion ",
        rf"\bpanicked at (?:'[^⏎]*', )?{_FILE}",
        rf"\bgoroutine \d+ \[running\]: ⏎ (?!{_LIBRARIES})({_NAME})",
    )
)
"""Where a report names the place, the most telling first; the groups of a pattern are put together."""
_PYTHON = re.compile(r"\bFile \"[^\"⏎]*\", line \d+, in (\w+)")
MAX_NAME = 60
"""Letters of a place that become part of a name."""


def requirement_of(failure: AdapterFailure | Exception, case: Case) -> str:
    """What the suite itself demands and this failure shows not to be met: `espproof-crash-`, and which crash."""
    verdict = of_failure(failure)
    name = f"espproof-{verdict.value}"
    if verdict not in (Verdict.CRASH, Verdict.HANG):
        return name
    which = (place(str(failure)) if verdict is Verdict.CRASH else "") or _asked(failure, case)
    return f"{name}-{which}" if which else name


def place(words: str) -> str:
    """The function, or file and line, that last words name; "" if they name none."""
    for pattern in _PLACES:
        if found := pattern.search(words):
            return _name("-".join(part for part in found.groups() if part))
    frames = _PYTHON.findall(words)
    return _name(frames[-1]) if frames else ""


def _asked(failure: Exception, case: Case) -> str:
    """What it was asked when it died, if that is known."""
    step = failure.step if isinstance(failure, AdapterFailure) else None
    if step is None or step >= len(case.steps):
        return ""
    if step in (AT_RESET, AT_SETUP):
        return "reset" if step == AT_RESET else "setup"
    return case.steps[step].requirement or operation(type(case.steps[step]))


def _name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.]+", "-", text).strip("-.")[:MAX_NAME]
