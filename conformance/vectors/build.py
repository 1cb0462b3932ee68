"""Makes the files of the corpus. The same tables give the same octets; nothing is random and no clock is read.

Who confirmed a vector is not part of the tables: it is kept from the file, as long as the vector is the same, and found
out anew when `confirm` is given.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from espproof.adapters.case import CaseFile
from espproof.conformance.vectors import files
from espproof.conformance.vectors.confirm import Confirmer
from espproof.conformance.vectors.files import CONTENTS, FOLDER, Content
from espproof.conformance.vectors.made import Vector
from espproof.reference.errors import Misuse

NOBODY = "nobody"
"""What a vector says that no other implementation has confirmed."""


def build(
    folder: Path = FOLDER, confirmers: Iterable[Confirmer] | None = None, also: Iterable[Confirmer] = ()
) -> dict[Path, bytes]:
    """What the files should contain; nothing is written. `confirmers` None keeps the confirmations that are there.

    What `also` confirm is added to these, in the place of what the same ones have confirmed before.

    `Misuse` if a published id is missing or would name other octets: such a vector needs a new id.
    """
    known = _confirmations(folder)
    made = [(content, list(content.make())) for content in CONTENTS]
    every = [vector for _, vectors in made for vector in vectors]
    if confirmers is not None:
        known = _confirm(every, confirmers)
    for key, said in _confirm(every, also).items():
        known[key] = (*(old for old in known.get(key, ()) if old != NOBODY and not _same(old, said)), *said)
    built = {content.name: _file(content, vectors, known) for content, vectors in made}
    digests = {case.id: files.digest(case) for content in built.values() for case in content.cases}
    _keep_promises(files.read_ids(folder), digests)
    result = {files.path_of(name, folder): files.text(content) for name, content in built.items()}
    result[folder / files.IDS] = files.ids_text(digests)
    return result


def changes(built: dict[Path, bytes]) -> Iterator[Path]:
    """The files that are not what they should be."""
    for path, content in built.items():
        if not path.is_file() or path.read_bytes() != content:
            yield path


def write(built: dict[Path, bytes]) -> list[Path]:
    """Write what differs, each file whole or not at all. Returns what was written."""
    changed = list(changes(built))
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.new")
        try:
            beside.write_bytes(built[path])
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    return changed


def _file(content: Content, vectors: list[Vector], known: dict[tuple[str, str], tuple[str, ...]]) -> CaseFile:
    cases = tuple(
        msgspec.structs.replace(
            vector.case, confirmed_by=known.get((vector.case.id, files.digest(vector.case))) or (NOBODY,)
        )
        for vector in vectors
    )  # fmt: skip
    used = {flag for case in cases for flag in case.flags}
    flags = {flag: text for flag, text in content.flags.items() if flag in used}
    return CaseFile(version=1, title=content.title, source=content.source, flags=flags, cases=cases)


def _confirmations(folder: Path) -> dict[tuple[str, str], tuple[str, ...]]:
    """(id, digest) -> who confirmed it, from the files that are there."""
    return {
        (case.id, files.digest(case)): case.confirmed_by
        for content in CONTENTS
        if files.path_of(content.name, folder).is_file()
        for case in files.read(files.path_of(content.name, folder)).cases
    }


def _confirm(vectors: list[Vector], confirmers: Iterable[Confirmer]) -> dict[tuple[str, str], tuple[str, ...]]:
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for confirmer in confirmers:
        for vector, said in zip(vectors, confirmer.confirm(vectors), strict=True):
            if said:
                key = (vector.case.id, files.digest(vector.case))
                found[key] = (*found.get(key, ()), said)
    return found


def _same(old: str, said: tuple[str, ...]) -> bool:
    """Whether an older confirmation is of one of these implementations, in whatever version."""
    return old.split(maxsplit=1)[0] in {one.split()[0] for one in said}


def _keep_promises(published: dict[str, str], digests: dict[str, str]) -> None:
    gone = sorted(published.keys() - digests.keys())
    changed = sorted(name for name in published.keys() & digests.keys() if published[name] != digests[name])
    if gone:
        raise Misuse(f"published vectors would be gone: {', '.join(gone[:5])}; ids are for ever")
    if changed:
        raise Misuse(f"published vectors would have other octets: {', '.join(changed[:5])}; give them new ids")
