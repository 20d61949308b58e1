"""The project stays readable: imports point one way, and modules, functions and names stay within bounds."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path

import pytest

from tools.structure import (
    MANY_LINES,
    MANY_PARAMETERS,
    Module,
    find_modules,
    functions_of,
    heavy_importers,
    import_chains,
    import_graph,
    largest_circle,
    repeated_classes,
    report,
    root_files,
)

# Each folder may need those below it, and none beside or above it but those in BESIDE. A folder of several tiers is
# named by its longest prefix here.
TIERS: Sequence[Sequence[str]] = (
    ("realtime.app",),
    ("realtime.bench",),
    ("realtime.remote",),
    ("realtime.player", "realtime.api"),
    ("realtime.screen", "realtime.stylize", "realtime.sinks", "realtime.sources"),
    ("realtime.audio", "realtime.backends"),
    ("realtime.media",),
    ("realtime.session", "realtime.queues", "realtime.child_process"),
    ("realtime.frames",),
    # its __init__.py: the version, and what `import realtime` offers, which is loaded when it is asked for
    ("realtime",),
    ("build_engines",),
    ("styles",),
)
BESIDE: Mapping[str, Set[str]] = {
    "realtime.sinks": {"realtime.sources"},
    "realtime.screen": {"realtime.stylize"},
}
# Who loads torch when it is imported: training, evaluation, their commands, the net that they train, its export, and
# the blend of paintings in PyTorch.
LOADS_TORCH = (
    "styles.training",
    "styles.evaluation",
    "styles.cli",
    "styles.network",
    "styles.encoder",
    "build_engines.onnx.pixel_net",
    "build_engines.onnx.blend_net",
)
# Who may read the command line and the environment in realtime/.
READS_THE_ENVIRONMENT = "realtime.app"

# What is still to be mended, and must not grow. -----------------------------------------------------------------------
STILL_ABOVE: Set[tuple[str, str]] = set()
STILL_HEAVY: Set[str] = set()
STILL_IN_A_CIRCLE: Set[str] = set()
STILL_REPEATED: Set[str] = set()
STILL_READS_THE_ENVIRONMENT: Set[str] = set()


@pytest.fixture(scope="module")
def modules() -> Mapping[str, Module]:
    return find_modules()


def tier_of(name: str) -> tuple[int, str]:
    """Returns the tier of a module, 0 for the highest, and the folder there that it belongs to."""
    places = [
        (len(folder), index, folder)
        for index, tier in enumerate(TIERS)
        for folder in tier
        if name == folder or (name.startswith(f"{folder}.") and folder != "realtime")
    ]
    assert places, f"{name} belongs to no folder of TIERS"
    _, index, folder = max(places)
    return index, folder


def is_allowed(name: str, needed: str) -> bool:
    (tier, folder), (needed_tier, needed_folder) = tier_of(name), tier_of(needed)
    return needed_tier > tier or needed_folder == folder or needed_folder in BESIDE.get(folder, set())


def wrong_chains(modules: Mapping[str, Module]) -> Iterator[Sequence[str]]:
    """Yields each chain of imports that leads to a module that the first one must not need."""
    graph = dict(import_graph(modules))
    # for type checkers the root names everything that it offers, but it imports nothing of it
    graph["realtime"] = import_graph(modules, everywhere=False)["realtime"]
    # what lies behind an excused import is excused too
    excused = {name: {each for each in graph[name] if not _still_above(name, each)} for name in graph}
    for name in graph:
        chains = import_chains(excused, name)
        yield from (chain for needed, chain in chains.items() if not is_allowed(name, needed))


def _still_above(name: str, needed: str) -> bool:
    return (tier_of(name)[1], tier_of(needed)[1]) in STILL_ABOVE


def test_imports_point_one_way_also_through_others(modules: Mapping[str, Module]) -> None:
    assert [" -> ".join(chain) for chain in wrong_chains(modules)] == []


def test_what_is_excused_is_still_needed(modules: Mapping[str, Module]) -> None:
    graph = import_graph(modules)
    found = {(tier_of(name)[1], tier_of(needed)[1]) for name in graph for needed in graph[name]}
    assert found >= STILL_ABOVE, "remove what is mended from STILL_ABOVE"


def test_torch_is_loaded_only_where_nets_are_trained(modules: Mapping[str, Module]) -> None:
    graph = import_graph(modules, everywhere=False)
    direct = {
        name
        for name, module in modules.items()
        if any(imported.split(".")[0] == "torch" for imported, _ in module.imported_names(everywhere=False))
    }
    loading = {name for name in graph if direct & {name, *import_chains(graph, name)}}
    allowed = {name for name in modules if any(f"{name}.".startswith(f"{folder}.") for folder in LOADS_TORCH)}
    assert sorted(loading - allowed) == []


def test_only_the_app_reads_the_command_line_and_the_environment(modules: Mapping[str, Module]) -> None:
    reading = {
        name
        for name, module in modules.items()
        if name.startswith("realtime.") and not name.startswith(READS_THE_ENVIRONMENT) and _reads_outside(module)
    }
    assert reading == STILL_READS_THE_ENVIRONMENT, "only realtime/app may; remove what is mended from the list"


def _reads_outside(module: Module) -> bool:
    text = module.path.read_text()
    # setting a variable for a C library, which takes it from nowhere else, is not reading
    text = text.replace("os.environ.setdefault(", "")
    return any(word in text for word in ("os.environ", "os.getenv", "import argparse", "from argparse"))


def test_the_root_of_realtime_holds_six_files() -> None:
    assert len(root_files()) <= 6


def test_few_modules_import_many_others(modules: Mapping[str, Module]) -> None:
    heavy = heavy_importers(import_graph(modules))
    assert len(heavy.keys() - STILL_HEAVY) <= 2, heavy


def test_no_modules_need_each_other(modules: Mapping[str, Module]) -> None:
    graph = import_graph(modules)
    rest = {name: graph[name] - STILL_IN_A_CIRCLE for name in graph.keys() - STILL_IN_A_CIRCLE}
    assert len(largest_circle(rest)) == 1


def test_functions_are_short_and_take_few_parameters(modules: Mapping[str, Module]) -> None:
    functions = functions_of(modules)
    long = [function for function in functions if function.lines > MANY_LINES]
    assert len(long) <= 5, long
    many = [function for function in functions if function.parameters > MANY_PARAMETERS]
    assert len(many) <= len(functions) / 100, many


def test_a_class_has_its_name_alone(modules: Mapping[str, Module]) -> None:
    repeated = repeated_classes(modules)
    assert repeated.keys() <= STILL_REPEATED, repeated


# the measures themselves ----------------------------------------------------------------------------------------------


def write_project(folder: Path, files: Mapping[str, str]) -> Mapping[str, Module]:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return find_modules(folder, ("p",))


def test_imports_are_found_wherever_they_stand(tmp_path: Path) -> None:
    modules = write_project(
        tmp_path,
        {
            "p/__init__.py": "VERSION = 1",
            "p/a.py": "import p.b\nimport sys\nfrom p import VERSION",
            "p/b.py": "def late():\n    from p.c import name",
            "p/c.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p import a",
        },
    )
    graph = import_graph(modules)
    assert graph == {"p": set(), "p.a": {"p", "p.b"}, "p.b": {"p.c"}, "p.c": {"p.a"}}
    assert import_chains(graph, "p.a")["p.c"] == ("p.a", "p.b", "p.c")
    assert largest_circle(graph) == ["p.a", "p.b", "p.c"]
    assert largest_circle(import_graph(modules, everywhere=False)) == ["p"]


def test_functions_are_measured_without_self_and_with_those_inside(tmp_path: Path) -> None:
    methods = "    def f(self, a, *, b):\n        def g(c): ...\n    @staticmethod\n    def h(d, *e): ...\n"
    code = f"class A:\n{methods}class _B: ..."
    modules = write_project(tmp_path, {"p/a.py": code, "p/b.py": "class A: ..."})
    measured = [(each.name, each.lines, each.parameters) for each in functions_of(modules)]
    assert measured == [("p.a.A.f", 2, 2), ("p.a.A.f.g", 1, 1), ("p.a.A.h", 1, 2)]
    assert repeated_classes(modules) == {"A": ["p.a", "p.b"]}


def test_the_report_has_a_line_for_each_measure() -> None:
    assert len(list(report())) == 6


def test_python_itself_is_not_measured(modules: Mapping[str, Module]) -> None:
    assert not modules.keys() & sys.stdlib_module_names
