"""Reads the package's imports from its source, and says which of them break the rules of its layers."""

import ast
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "bulkhead"
COMPILED = f"{PACKAGE}._core"
# From the left to the right; a layer imports itself and what is to its left.
LAYERS = (
    "base",
    "model",
    "policy",
    "linux",
    "backend",
    "live",
    "metrics",
    "study",
    "result",
    "figures",
    "experiment",
    "report",
    "perf",
    "testing",
    "cli",
)
# `Machine` names in its annotations what the layers to its right have registered with it.
ANNOTATIONS_ONLY = {f"{PACKAGE}.model.machine", PACKAGE}
PUBLIC = f"{PACKAGE}.public"  # right of all, as the package itself
SLOW = "matplotlib"  # loaded by commands that draw, and by no other


@dataclass(frozen=True)
class Import:
    """An import statement: `module` imports `target`."""

    module: str
    target: str
    line: int
    inside: bool  # of a function or method
    typing: bool  # under `if TYPE_CHECKING`


def modules(root: Path) -> dict[str, Path]:
    """Every module of the package below `root`, by its dotted name."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(root: Path) -> list[Import]:
    """Every import statement of the package, also those inside of functions."""
    known = modules(root)
    return [one for name, path in known.items() for one in _of_module(name, path, known)]


def _of_module(name: str, path: Path, known: dict[str, Path]) -> list[Import]:
    found = []

    def walk(node: ast.AST, inside: bool, typing: bool) -> None:
        for child in ast.iter_child_nodes(node):
            found.extend(
                Import(name, target, child.lineno, inside, typing)
                for target in _targets(child, name, path, known)
            )
            walk(
                child,
                inside or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda),
                typing or isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"),
            )

    walk(ast.parse(path.read_text(encoding="utf-8")), False, False)
    return found


def _targets(node: ast.AST, name: str, path: Path, known: dict[str, Path]) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = node.module or ""
    if node.level:
        parents = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
        base = ".".join([*parents[: len(parents) - node.level + 1], *([base] if base else [])])
    submodules = [f"{base}.{alias.name}" for alias in node.names]
    return [one if one in known or one == COMPILED else base for one in submodules]


def layer(module: str) -> int | None:
    """The place of a module's layer; the package itself is right of all, None for a module that is in no layer."""
    parts = module.split(".")
    if len(parts) == 1 or module == PUBLIC:
        return len(LAYERS)
    return LAYERS.index(parts[1]) if parts[1] in LAYERS else None


def _is_slow(target: str, all_imports: list[Import], seen: frozenset[str] = frozenset()) -> bool:
    """Whether a module is matplotlib's, or imports it at its top."""
    if target.partition(".")[0] == SLOW:
        return True
    inner = {one.target for one in all_imports if one.module == target and not one.inside} - seen
    return any(_is_slow(one, all_imports, seen | {target}) for one in inner)


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """The groups of modules that import each other in a circle (strongly connected components, Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in sorted(edges.get(node, ())):
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1 or node in edges.get(node, ()):
                found.append(sorted(group))

    for node in sorted(edges):
        if node not in index:
            visit(node)
    return found


def violations(root: Path) -> list[str]:
    """One line for each import that breaks a rule; empty if none does."""
    all_imports = imports(root)
    found = [f"{name} is in no layer" for name in modules(root) if layer(name) is None and name != PACKAGE]
    edges: dict[str, set[str]] = {}
    for one in all_imports:
        where = f"{one.module}:{one.line}"
        if one.inside and not _is_slow(one.target, all_imports):
            found.append(f"{where} imports {one.target} inside of a function")
        if one.typing and one.module not in ANNOTATIONS_ONLY:
            found.append(f"{where} imports {one.target} for its annotations only")
        if one.typing or one.target.partition(".")[0] != PACKAGE or one.target == COMPILED:
            continue
        edges.setdefault(one.module, set()).add(one.target)
        here, there = layer(one.module), layer(one.target)
        if here is not None and there is not None and there > here:
            found.append(f"{where} imports {one.target}, which is to its right")
    return found + [f"circle: {', '.join(group)}" for group in circles(edges)]
