"""The process that fuzzes: `python -m espproof.fuzz.engines.child ORDER`, started by `run`; libFuzzer takes it over.

Which code is instrumented decides what the fuzzer can see: what `INSTRUMENTED` names always, and what the adapter tests
where that is Python. The order of imports is the switch, so that nothing of this project but these may be imported before
`import_all`; the suite's own code is not instrumented, as its branches tell nothing about the target.
"""

import importlib
import json
import os
import pkgutil
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

OneInput = Callable[[bytes], object]
Mutate = Callable[[bytes, int, int], bytes]


INSTRUMENTED = ("espproof.reference", "espproof.adapters.linux.netlink.xfrm")
"""Modules, and packages with all that is in them: what the targets are about."""


def main(order: dict[str, Any]) -> None:
    """Never returns: libFuzzer exits. `order`: target (or a kind of `empty` one), adapter, folder, limit, libfuzzer."""
    import atheris

    _die_with_parent()
    kind, _, name = order["target"].rpartition(":")
    if kind != "plain":
        with atheris.instrument_imports(include=["espproof"]):
            import_all(INSTRUMENTED)
    one_input, mutate = _target(kind, name, order, atheris)
    keywords = {"custom_mutator": mutate} if mutate else {}
    atheris.Setup([sys.argv[0], *order["libfuzzer"]], one_input, **keywords)
    atheris.Fuzz()


def import_all(names: Iterable[str]) -> None:
    """Import these modules, and of packages every module and package in them, at any depth."""
    for name in names:
        path = getattr(importlib.import_module(name), "__path__", None)
        if path is not None:
            import_all(f"{name}.{module.name}" for module in pkgutil.iter_modules(path))


def _target(kind: str, name: str, order: dict[str, Any], atheris: Any) -> tuple[OneInput, Mutate | None]:
    from espproof.adapters.registry import open_adapter
    from espproof.fuzz.engines import empty
    from espproof.fuzz.targets import by_name
    from espproof.fuzz.triage.record import Recorder

    if name == empty.NOTHING:
        return empty.nothing, None
    with atheris.instrument_imports(include=_packages_of(order["adapter"])):
        adapter = open_adapter(order["adapter"])
    target = by_name(name)(adapter)

    def change(octets: bytes, size: int) -> bytes:  # looked up late: libFuzzer's Mutate comes when it begins
        changed: bytes = atheris.Mutate(octets, size)
        return changed

    def mutate(octets: bytes, size: int, seed: int) -> bytes:
        return target.mutate(bytes(octets), size, seed, change)

    custom = mutate if target.mutates else None
    calls = target.unchecked()
    if kind == empty.PEER:
        return calls, custom
    if kind == empty.PLAIN:
        numbers = iter(range(1 << 62))
        whole = (lambda octets: calls(mutate(octets, 2048, next(numbers)))) if target.mutates else calls
        return empty.repeated(empty.read_sample(Path(order["sample"])), whole), None
    recorder = Recorder(target.one_input, Path(order["folder"]), order["limit"])
    return (empty.sampled(recorder, Path(order["sample"]).open("wb")) if order.get("sample") else recorder), custom


def _packages_of(adapter: str) -> list[str]:
    """Top-level packages whose code an adapter runs in this process; a name that no package has if there is none."""
    scheme, _, rest = adapter.partition(":")
    if scheme == "seeded":
        from espproof.adapters.seeded.load import package_of

        return [package_of(rest)]
    if adapter == "reference" or scheme == "exec":
        return ["-"]  # an empty list would be: instrument everything
    return [scheme.partition(".")[0]]


def _die_with_parent() -> None:
    """When standard input ends, the parent is gone: nobody wants the results any more."""

    def wait() -> None:
        while os.read(0, 4096):
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
