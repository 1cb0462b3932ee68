"""Hold the catalogue against the text of an RFC: which normative sentences does one have that the other lacks?

The user brings the text as published (`rfc4303.txt`); it is neither kept nor quoted in the repository. A sentence is
known by its fingerprint: the first 16 hex digits of SHA-256 over its letters, digits and arithmetic signs, case folded.
Layout, quotation marks, dashes and hyphenation do not count, so that a plain text and one made from the HTML agree.

From lines to sentences it goes in stages, each a function below: page furniture off (a footer, form feed and running
header in the middle of a sentence leave no trace); headings, table of contents, lists of references and drawings away;
paragraphs and list items; sentences. Normative is a sentence with a keyword of RFC 2119 in capitals; the paragraph that
explains the keywords is exempt.

What this cannot do: tell a heading from a sentence in a text that has lost its indentation altogether. Such a text
shows as sentences missing, never as agreement.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from espproof.conformance.requirements import catalogue
from espproof.reference.errors import Misuse

KEYWORD = re.compile(r"\b(?:MUST|SHALL|SHOULD|MAY|REQUIRED|RECOMMENDED|OPTIONAL)\b")

_NOTATION = re.compile(r"to\s+be\s+interpreted\s+as\s+described\s+in", re.IGNORECASE)
_NUMBER = re.compile(r"^Request for Comments:\s*(\d+)", re.MULTILINE)
_FOOTER = re.compile(r"^\S.*\[Page \d+\]\s*$")
_RUNNING_HEADER = re.compile(r"^RFC \d+\s{2,}.*\s[A-Z][a-z]+ \d{4}\s*$")
_CONTENTS = re.compile(r"^\s*Table of Contents\s*$", re.IGNORECASE)
_HEADING = re.compile(
    r"^(?:Appendix\s+(?P<appendix>[A-Z])\b|(?P<number>\d+(?:\.\d+)*|[A-Z]\.?\d+(?:\.\d+)*)\.?\s+[A-Z(]|(?P<other>[A-Z]\w+))"
)
_NO_TITLE = re.compile(r"[.,:;]\s*$")
_REFERENCES = re.compile(r"\bReferences\s*$", re.IGNORECASE)
_BULLET = re.compile(r"^\s*(?:[o*+-]|\(?\w{1,3}\)|\d{1,2}\.|[a-z]\.)\s+(?=\S)")
_DRAWING = re.compile(r"\+-[+-]|^\s*\|.*\|\s*$|-{6,}|={6,}|\.{6,}|~{3,}|^\s*[-+|~\s]+$")
_END = re.compile(r"""[.?!]["')\]]*\s+(?=["'(\[]*[A-Z0-9])""")
_COMPLETE = re.compile(r"""[.:?!]["')\]]*\s*$""")
_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|cf|vs|al|Fig|Sec|Ref|No|resp|approx)|(?:^|[\s(])[A-Z])\.$")


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of a text: `line` is where it begins (from 1), `section` as printed without the last dot."""

    text: str
    line: int
    section: str

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.text)

    @property
    def normative(self) -> bool:
        return KEYWORD.search(self.text) is not None


@dataclass(frozen=True, slots=True)
class AuditReport:
    """Both directions of the comparison; an empty report is what we want to see."""

    document: str
    sentences: int
    missing_in_catalogue: tuple[Sentence, ...]
    missing_in_text: tuple[str, ...]

    @property
    def clean(self) -> bool:
        return not self.missing_in_catalogue and not self.missing_in_text


def audit(text: str, document: str | None = None) -> AuditReport:
    """Compare an RFC's plain text with the catalogue, for the sections that the catalogue covers.

    `document` is for example `RFC4303`; without it the text says which it is. Raises `Misuse` for a text that is no
    RFC, one that the catalogue does not know, or another one than `document` names.
    """
    found = recognise(text)
    if document is not None and document != found:
        raise Misuse(f"this is the text of {found}, not of {document}")
    return compare(text, catalogue.source(found))


def compare(text: str, source: catalogue.Source) -> AuditReport:
    """The comparison itself, with a document of the catalogue at hand."""
    everything = tuple(sentences(text))
    if not any(sentence.normative for sentence in everything):
        raise Misuse(f"no normative sentence found in this text of {source.document}: is it whole?")
    known = {mark for entry in source.requirements for mark in entry.fingerprint}
    normative = [one for one in everything if one.normative and source.covers(one.section)]
    present = {one.fingerprint for one in everything}
    return AuditReport(
        document=source.document,
        sentences=len(normative),
        missing_in_catalogue=tuple(one for one in normative if one.fingerprint not in known),
        missing_in_text=tuple(one.id for one in source.requirements if not present.issuperset(one.fingerprint)),
    )


def recognise(text: str) -> str:
    """Which document a text is, by its own first page (`RFC4303`)."""
    match = _NUMBER.search(text[:5000])
    if match is None:
        raise Misuse("this does not look like the plain text of an RFC: no 'Request for Comments: <number>' on top")
    return f"RFC{int(match[1])}"


def fingerprint(sentence: str) -> str:
    """First 16 hex digits of SHA-256 over the normal form of a sentence."""
    folded = unicodedata.normalize("NFKC", sentence).casefold()
    return sha256(re.sub(r"[^a-z0-9^<>=+*/%]", "", folded).encode()).hexdigest()[:16]


def sentences(text: str) -> Iterator[Sentence]:
    """Every sentence of the numbered sections and appendices, in order; the explanation of the keywords left out."""
    for section, lines in _paragraphs(_without_pages(text)):
        body, offsets = _join(lines)
        if not _NOTATION.search(body):
            for start, end in _split(body):
                yield Sentence(body[start:end].strip(), lines[bisect_right(offsets, start) - 1][0], section)


Line = tuple[int, str]
_NO_LINE: Line = (0, "")


def _without_pages(text: str) -> list[Line]:
    """Numbered lines without page furniture. A paragraph that goes on over the page is whole again."""
    kept: list[Line] = []
    turning = False
    for number, line in enumerate(text.lstrip("\ufeff").replace("\f", "").splitlines(), start=1):
        if _FOOTER.match(line) or _RUNNING_HEADER.match(line):
            turning = True
        elif turning and not line.strip():
            continue
        elif line.strip():
            gap = _drop_blank_end(kept) or turning
            if gap and not (kept and _goes_on(kept[-1][1], line, turning)):
                kept.append((number, ""))
            kept.append((number, line))
            turning = False
        else:
            kept.append((number, line))
    return kept


def _drop_blank_end(lines: list[Line]) -> bool:
    """Whether there were blank lines at the end; there are none afterwards."""
    before = len(lines)
    while lines and not lines[-1][1].strip():
        lines.pop()
    return len(lines) < before


def _goes_on(before: str, after: str, turning: bool) -> bool:
    """Whether a paragraph continues behind the blank lines in it: over a page, or before a small letter."""
    if _COMPLETE.search(before) or after[0].isupper() or after[0].isdigit() or _BULLET.match(after):
        return False
    if not turning and not after.lstrip()[0].islower():
        return False
    bullet = _BULLET.match(before)
    column = bullet.end() if bullet else len(before) - len(before.lstrip())
    return column == len(after) - len(after.lstrip())


def _paragraphs(lines: list[Line]) -> Iterator[tuple[str, list[Line]]]:
    """Section and lines of each paragraph or list item, drawings left out."""
    section, part, in_contents, in_heading = "", list[Line](), False, False
    padded = [_NO_LINE, *lines, _NO_LINE, _NO_LINE]
    for (_, before), (number, line), (_, after) in zip(padded, padded[1:], padded[2:], strict=False):
        heading = None if before.strip() else _heading(line, after)
        blank = not line.strip() or _DRAWING.search(line) is not None
        if blank or heading or _BULLET.match(line) or in_heading:
            if part and _is_numbered(section):
                yield section, part
            part = []
        if _CONTENTS.match(line):
            in_contents = True
        elif heading:
            section, in_contents = _section(heading, line), False
        elif not blank and not in_contents and not in_heading:
            part.append((number, line))
        in_heading = not blank and (heading is not None or in_heading)


def _heading(line: str, after: str) -> re.Match[str] | None:
    """A heading stands alone and is no sentence; a long one goes on in an indented line."""
    alone = not after.strip() or after[0].isspace()
    return _HEADING.match(line) if alone and not _NO_TITLE.search(line) else None


def _section(heading: re.Match[str], line: str) -> str:
    """Number or letter of a section; lists of references have none, so that they are not read."""
    return "" if _REFERENCES.search(line) else heading["appendix"] or heading["number"] or heading["other"]


def _is_numbered(section: str) -> bool:
    return section[:1].isdigit() or len(section) == 1 or section[1:2].isdigit() or section[1:2] == "."


def _join(lines: list[Line]) -> tuple[str, list[int]]:
    """One string from the lines of a paragraph, and the offset at which each line begins. A list mark goes away."""
    body, offsets = "", list[int]()
    for _, line in lines:
        offsets.append(len(body))
        text = line if body else _BULLET.sub("", line, count=1)
        body += text.strip() + ("" if re.search(r"\w-$", text) else " ")
    return body, offsets


def _split(body: str) -> Iterator[tuple[int, int]]:
    """Where each sentence of a paragraph begins and ends."""
    start = 0
    for match in _END.finditer(body):
        if not _ABBREVIATION.search(body[start : match.start() + 1]):
            yield start, match.end()
            start = match.end()
    if body[start:].strip():
        yield start, len(body)
