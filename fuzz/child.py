"""The process that fuzzes: `python -m espproof.fuzz.child ORDER`, started by `run`. libFuzzer takes it over and ends it.

Which code is instrumented decides what the fuzzer can see: the reference always, and what the adapter tests where that
is Python. The order of imports is the switch, so that nothing of this project but the reference may be imported before
`_instrumented_reference`; the suite's own code is not instrumented, as its branches tell nothing about the target.
"""

import importlib
import json
import os
import pkgutil
import sys
import threading
from pathlib import Path
from typing import Any


def main(order: dict[str, Any]) -> None:
    """Never returns: libFuzzer exits. `order`: target, adapter, folder, limit, libfuzzer (arguments)."""
    import atheris

    _die_with_parent()
    if order["target"].startswith("peer:"):  # what `bench` compares a target with: nothing is instrumented
        from espproof.fuzz.empty import peer

        # looked up late: atheris puts another Mutate there when libFuzzer begins
        one_input = peer(order["target"], order["sample"], lambda octets, size: atheris.Mutate(octets, size))
        mutate = None
    else:
        with atheris.instrument_imports(include=["espproof"]):
            _import_reference()
        one_input, mutate = _target(order, atheris)
        if order.get("sample"):
            from espproof.fuzz.empty import sampled

            one_input = sampled(one_input, Path(order["sample"]).open("wb"))
    keywords = {"custom_mutator": mutate} if mutate else {}
    atheris.Setup([sys.argv[0], *order["libfuzzer"]], one_input, **keywords)
    atheris.Fuzz()


def _import_reference() -> None:
    import espproof.reference as package

    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")


def _target(order: dict[str, Any], atheris: Any) -> tuple[Any, Any]:
    from espproof.adapters.registry import open_adapter
    from espproof.fuzz.record import Recorder
    from espproof.fuzz.targets import by_name

    packages = _packages_of(order["adapter"])
    if packages:
        with atheris.instrument_imports(include=packages):
            adapter = open_adapter(order["adapter"])
    else:
        adapter = open_adapter(order["adapter"])
    target = by_name(order["target"])(adapter)
    recorder = Recorder(target.one_input, Path(order["folder"]), order["limit"])
    if not target.mutates:
        return recorder, None
    return recorder, lambda octets, max_size, seed: target.mutate(bytes(octets), max_size, seed, atheris.Mutate)


def _packages_of(adapter: str) -> list[str]:
    """Top-level packages whose code an adapter runs in this process."""
    scheme, _, rest = adapter.partition(":")
    if scheme == "seeded":
        from espproof.adapters.seeded.load import package_of

        return [package_of(rest)]
    if adapter == "reference" or scheme == "exec":
        return []
    if rest:
        return [scheme.partition(".")[0]]
    return [adapter]


def _die_with_parent() -> None:
    """When standard input ends, the parent is gone: nobody wants the results any more."""

    def wait() -> None:
        while os.read(0, 4096):
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
