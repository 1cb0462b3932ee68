"""What the process that fuzzes instruments."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

MODULES = ("tower", "tower.roof", "tower.floors", "tower.floors.ground", "tower.floors.attic", "tower.floors.attic.box")
BODY = "def one_branch(octets):\n    return 1 if octets else 2\n"
INSTRUMENTED = f"""
import sys, atheris
from espproof.adapters.seeded.load import Original, copy_with
from espproof.adapters.seeded.model import Defect, Edit
from espproof.fuzz.engines.child import import_all

edits = (Edit("floors.ground", "2", "3"),)
defect = Defect(id="tower-leans", source="ours", family="tower", title="it leans", edits=edits)
with atheris.instrument_imports(include=["tower"]):
    import_all(("tower",))
with atheris.instrument_imports(include=["espproof_seeded_tower_leans"]):
    copy_with(defect, Original("tower"), ("roof", "floors.ground"))
plain = compile({BODY!r}, "", "exec").co_consts[0].co_code
for name, module in sys.modules.items():
    if "tower" in name and module.one_branch.__code__.co_code != plain:
        print(name)
"""


def test_what_is_instrumented_has_all_sub_packages_in_it(tmp_path: Path) -> None:
    """Of a package each module at any depth, packages themselves too; of a copy with a defect what is imported."""
    pytest.importorskip("atheris")
    for name in MODULES:
        place = tmp_path.joinpath(*name.split("."))
        file = place / "__init__.py" if any(one.startswith(f"{name}.") for one in MODULES) else place.with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(BODY, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", INSTRUMENTED],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    copied = {f"espproof_seeded_tower_leans{name}" for name in ("", ".roof", ".floors", ".floors.ground")}
    assert set(done.stdout.split()) == {*MODULES, *copied}
