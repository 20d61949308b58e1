"""How the project is built: prints the measures that tests/test_structure.py bounds. Type: python -m tools.structure"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[1]
# What is installed; scripts beside it are not measured.
PACKAGES = ("realtime", "build_engines", "styles")
MANY_IMPORTS, MANY_LINES, MANY_PARAMETERS = 12, 50, 6

# What each module imports of the project.
Graph = Mapping[str, Set[str]]


@dataclass(frozen=True)
class Function:
    """A function or method.

    Args:
        name: its module and name, with the names of the classes and functions around it.
        lines: from `def` to its last line.
        parameters: how many it has, keyword-only ones included, without `self` and `cls`.
    """

    name: str
    lines: int
    parameters: int


@dataclass(frozen=True)
class Module:
    """A module of the project; its name is dotted, and that of a package's `__init__.py` is the package's."""

    name: str
    path: Path

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text())

    @property
    def public_classes(self) -> Sequence[str]:
        """The names of its classes that do not begin with an underscore."""
        nodes = self.tree.body
        return [node.name for node in nodes if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]

    @property
    def functions(self) -> Sequence[Function]:
        """Its functions and methods, nested ones too."""
        return list(_functions(self.tree, self.name, in_class=False))

    def imported_names(self, *, everywhere: bool = True) -> Iterator[tuple[str, Sequence[str]]]:
        """Yields each imported module with the names imported from it.

        Args:
            everywhere: whether imports inside functions and those for type checkers count, which do not happen when
                the module is imported.
        """
        nodes = ast.walk(self.tree) if everywhere else _nodes_run_on_import(self.tree)
        for node in nodes:
            if isinstance(node, ast.Import):
                yield from ((alias.name, ()) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield node.module or "", [alias.name for alias in node.names]


def find_modules(root: Path = ROOT, packages: Sequence[str] = PACKAGES) -> Mapping[str, Module]:
    """Returns the modules of the project by name.

    Args:
        root: the folder that holds the packages.
        packages: their names.
    """
    found = {}
    for path in sorted(path for package in packages for path in (root / package).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = Module(name, path)
    return found


def import_graph(modules: Mapping[str, Module], *, everywhere: bool = True) -> Graph:
    """Returns what each module imports of the project, by name. That Python also runs the packages around a module
    does not count.

    Args:
        modules: the modules, by name.
        everywhere: whether imports inside functions and those for type checkers count.
    """
    return {name: _project_imports(module, modules, everywhere) - {name} for name, module in modules.items()}


def _project_imports(module: Module, modules: Mapping[str, Module], everywhere: bool) -> Set[str]:
    found = set()
    for imported, names in module.imported_names(everywhere=everywhere):
        submodules = {f"{imported}.{name}" for name in names} & modules.keys()
        found |= submodules
        if imported in modules and len(submodules) < max(1, len(names)):
            found.add(imported)
    return found


def import_chains(graph: Graph, start: str) -> Mapping[str, Sequence[str]]:
    """Returns all that a module needs, directly or not, each with the shortest chain of imports that leads there."""
    chains: dict[str, Sequence[str]] = {start: (start,)}
    waiting = [start]
    for name in waiting:
        for imported in sorted(graph[name] - chains.keys()):
            chains[imported] = (*chains[name], imported)
            waiting.append(imported)
    del chains[start]
    return chains


def largest_circle(graph: Graph) -> Sequence[str]:
    """Returns the largest set of modules that all need each other; one module if there is no circle."""
    needs = {name: import_chains(graph, name).keys() for name in graph}
    circles = [[name, *(other for other in needs[name] if name in needs[other])] for name in sorted(graph)]
    largest = max(circles, key=len)
    return sorted(largest)


def root_files(root: Path = ROOT) -> Sequence[str]:
    """Returns the names of the files in the root of `realtime/`."""
    return sorted(path.name for path in (root / "realtime").iterdir() if path.is_file())


def heavy_importers(graph: Graph) -> Mapping[str, int]:
    """Returns the modules that import more than MANY_IMPORTS others, with the count, the largest first."""
    counts = {name: len(imported) for name, imported in graph.items() if len(imported) > MANY_IMPORTS}
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def functions_of(modules: Mapping[str, Module]) -> Sequence[Function]:
    """Returns all functions and methods."""
    return [function for module in modules.values() for function in module.functions]


def repeated_classes(modules: Mapping[str, Module]) -> Mapping[str, Sequence[str]]:
    """Returns the names of public classes that more than one module defines, with those modules."""
    places: dict[str, list[str]] = defaultdict(list)
    for module in modules.values():
        for name in module.public_classes:
            places[name].append(module.name)
    return {name: found for name, found in sorted(places.items()) if len(found) > 1}


def _functions(node: ast.AST, place: str, *, in_class: bool) -> Iterator[Function]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{place}.{child.name}"
            yield Function(name, (child.end_lineno or 0) - child.lineno + 1, _parameters(child, in_class))
            yield from _functions(child, name, in_class=False)
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{place}.{child.name}", in_class=True)
        else:
            yield from _functions(child, place, in_class=in_class)


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef, in_class: bool) -> int:
    given = node.args
    count = len(given.posonlyargs) + len(given.args) + len(given.kwonlyargs)
    count += (given.vararg is not None) + (given.kwarg is not None)
    static = any(isinstance(each, ast.Name) and each.id == "staticmethod" for each in node.decorator_list)
    return count - (in_class and not static)


def _nodes_run_on_import(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        for_types = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        if not for_types and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from _nodes_run_on_import(child)


def report() -> Iterator[str]:
    """Yields the measures, a line each."""
    modules = find_modules()
    graph, functions = import_graph(modules), functions_of(modules)
    yield _line("files in the root of realtime/", root_files())
    importers = [f"{name} ({count})" for name, count in heavy_importers(graph).items()]
    yield _line(f"modules that import more than {MANY_IMPORTS} others", importers)
    circle = largest_circle(graph)
    yield _line("modules in the largest circle of imports", circle if len(circle) > 1 else circle[:0], len(circle))
    long = [f"{each.name} ({each.lines})" for each in functions if each.lines > MANY_LINES]
    yield _line(f"functions over {MANY_LINES} lines", long)
    many = [f"{each.name} ({each.parameters})" for each in functions if each.parameters > MANY_PARAMETERS]
    share = 100 * len(many) / len(functions)
    yield _line(f"of {len(functions)} functions, with more than {MANY_PARAMETERS} parameters, {share:.1f} %", many)
    repeated = [f"{name} ({', '.join(places)})" for name, places in repeated_classes(modules).items()]
    yield _line("names of public classes defined in more than one module", repeated)


def _line(title: str, found: Sequence[str], count: int | None = None) -> str:
    return f"{title}: {len(found) if count is None else count}" + "".join(f"\n    {each}" for each in found)


if __name__ == "__main__":
    for line in report():
        sys.stdout.write(f"{line}\n")
