"""What a seeded defect is: a name, where it comes from, and the edits of the reference's source that put it in."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Edit:
    """In `module` of the reference, `old` (which must stand there exactly once) becomes `new`.

    A module is named by its dotted path below the reference: `esp`, and `xfrm.spd` for reference/xfrm/spd.py.
    """

    module: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Defect:
    """One mistake, most of them once made by a real implementation, re-created in the reference.

    `id` is `<family>-<what>` and stable; `source` names the entry of `sources.toml` that it follows (several defects may
    follow one entry), the implementation in which the suite has found it, or "ours", if it only shows that a check works;
    `family` is the family of checks that is expected to find it. `breaks` are the ids of the requirements that it does
    not meet: it is found when the suite has shown one of these, and each is to be shown.
    """

    id: str
    source: str
    family: str
    title: str
    edits: tuple[Edit, ...]
    breaks: tuple[str, ...] = ()
    model: str = "reference"
    """Which adapter of `adapters.models` runs the copy: "reference", or a device with its driver."""


def defect(
    id: str,
    source: str,
    family: str,
    title: str,
    *edits: tuple[str, str, str],
    breaks: tuple[str, ...] = (),
    model: str = "reference",
) -> Defect:
    """A Defect from plain tuples, as the catalogue's tables write it."""
    return Defect(id, source, family, title, tuple(Edit(*edit) for edit in edits), breaks, model)
