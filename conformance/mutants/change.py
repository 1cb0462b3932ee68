"""Every single change of a module of the reference, as cosmic-ray's operators make them.

Of its operators those are taken that make a likely mistake: a number one off, a comparison with its neighbour or its
opposite, a sum for a difference, one bit operation for another, a condition turned round, a decorator, a handler or a
loop lost. Annotations are left out, as nothing is computed with them.

A mutant is known by module, function and the lines before and after, so that it keeps its name when the code around it
changes.
"""

import ast
import contextlib
import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any

_BINARY = (
    "Add_Sub", "Sub_Add", "Mul_FloorDiv", "FloorDiv_Mul", "Mod_FloorDiv", "BitOr_BitAnd", "BitAnd_BitOr", "BitXor_BitOr",
    "LShift_RShift", "RShift_LShift", "Pow_Mul",
)  # fmt: skip
_COMPARISON = (
    "Eq_NotEq", "NotEq_Eq", "Lt_LtE", "Lt_GtE", "LtE_Lt", "LtE_Gt", "Gt_GtE", "Gt_LtE", "GtE_Gt", "GtE_Lt", "Is_IsNot",
    "IsNot_Is",
)  # fmt: skip
OPERATORS = (
    "NumberReplacer", "AddNot", "ReplaceOrWithAnd", "ReplaceAndWithOr", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue",
    "ReplaceContinueWithBreak", "ReplaceBreakWithContinue", "ExceptionReplacer", "RemoveDecorator",
    "ZeroIterationForLoop", "ReplaceUnaryOperator_Delete_Not", "ReplaceUnaryOperator_USub_UAdd",
    "ReplaceUnaryOperator_Delete_Invert",
    *(f"ReplaceBinaryOperator_{name}" for name in _BINARY),
    *(f"ReplaceComparisonOperator_{name}" for name in _COMPARISON),
)  # fmt: skip
"""Names in cosmic-ray's `core` provider."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change. `before` and `after` are the changed lines without indentation; `source` is the whole module."""

    module: str
    function: str
    before: str
    after: str
    source: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.module, self.function, self.before, self.after


def mutants(module: str, source: str) -> Iterator[Mutant]:
    """Every mutant of a module's source, in the order of its lines; each once, however many operators make it."""
    tree = ast.parse(source)
    original, annotations = ast.dump(tree), set(_annotations(tree))
    found: dict[str, tuple[int, Mutant]] = {}
    for line, column, text in _changes(source):
        if (line, column) in annotations or text in found:
            continue
        with contextlib.suppress(SyntaxError):  # a bare `*` among parameters is no multiplication
            if ast.dump(ast.parse(text)) == original:
                continue
            before, after = _lines(source, text)
            found[text] = line, Mutant(module, _function(tree, line), before, after, text)
    for _, mutant in sorted(found.values(), key=lambda one: (one[0], one[1].after)):
        yield mutant


def modules(package: Path) -> dict[str, Path]:
    """The modules of the reference by the name below `espproof.reference`, without those that only hold a docstring."""
    found = {path.stem: path for path in sorted(package.glob("*.py"))}
    return {name: path for name, path in found.items() if name != "__init__"}


def _changes(source: str) -> Iterator[tuple[int, int, str]]:
    """Line and column (as `ast` counts them) of the change, and the changed source."""
    mutating, plugins, trees = _cosmic_ray()
    nodes = list(trees.ast_nodes(trees.get_ast(source)))
    for name in OPERATORS:
        operator = plugins.get_operator(f"core/{name}")()
        starts = [start for node in nodes for start, _ in operator.mutation_positions(node)]
        for occurrence, (line, column) in enumerate(starts):
            text = mutating.mutate_code(source, operator, occurrence)
            if text is not None:
                yield line, column, text


def _cosmic_ray() -> tuple[ModuleType | Any, ModuleType | Any, ModuleType | Any]:
    import cosmic_ray.ast
    import cosmic_ray.mutating
    import cosmic_ray.plugins

    return cosmic_ray.mutating, cosmic_ray.plugins, cosmic_ray.ast


def _annotations(tree: ast.AST) -> Iterator[tuple[int, int]]:
    """Line and column of every character of every annotation."""
    for node in ast.walk(tree):
        for part in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if isinstance(part, ast.expr) and part.end_lineno == part.lineno:
                yield from ((part.lineno, column) for column in range(part.col_offset, part.end_col_offset or 0))


def _function(tree: ast.AST, line: int) -> str:
    """`Class.method`, `function`, or "" for the module's own lines."""
    names = [
        (node.lineno, node.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and _begin(node) <= line <= (node.end_lineno or 0)
    ]
    return ".".join(name for _, name in sorted(names))


def _begin(node: ast.ClassDef | ast.FunctionDef) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _lines(before: str, after: str) -> tuple[str, str]:
    """The lines that differ, joined by a space where they are several."""
    old, new = before.splitlines(), after.splitlines()
    parts = [
        (old[a:b], new[c:d])
        for what, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
        if what != "equal"
    ]
    before_lines, after_lines = zip(*parts, strict=True)
    return _joined(chain.from_iterable(before_lines)), _joined(chain.from_iterable(after_lines))


def _joined(lines: Iterable[str]) -> str:
    return " ".join(filter(None, map(str.strip, lines)))
