"""Writes the tables of options and keys into docs/reference.md. Type: python -m tools.make_reference"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from build_engines.cli import DoctorOptions, ImportOptions, OnnxOptions
from build_engines.tensorrt.command import EngineOptions
from realtime.app.bench import BenchOptions
from realtime.app.cache import CacheOptions
from realtime.app.gallery import GalleryOptions
from realtime.app.options.table import HEADINGS, SECTIONS, LiveOption, Use
from realtime.app.own_styles import OwnStylesOptions
from realtime.app.pack import PackOptions
from realtime.remote.osc_addresses import osc_reference
from realtime.session import ACTIONS, CONTROLS, Action, Control, OneOf, Range, Switch, Weights, key_help
from styles.cli.main import COMMANDS as TRAINING
from styles.support.options import Option, options_of, reference_table

PAGE = Path(__file__).parents[1] / "docs" / "reference.md"
BEGIN, END = "<!-- tables: made by python -m tools.make_reference -->", "<!-- end of tables -->"
# The commands that have no settings, with their dataclasses of options.
COMMANDS: Mapping[str, Sequence[type]] = {
    "nst-live gallery": [GalleryOptions],
    "nst-live styles": [OwnStylesOptions],
    "nst-live pack": [PackOptions],
    "nst-live bench": [BenchOptions],
    "nst-live cache": [CacheOptions],
    "nst-build": [EngineOptions],
    "nst-build onnx": [OnnxOptions],
    "nst-build import": [ImportOptions],
    "nst-build doctor, nst-live doctor": [DoctorOptions],
    **{command.about["prog"]: list(command.groups.values()) for command in TRAINING.values()},
}


def reference_page(page: str) -> str:
    """Returns the page with the tables as the code has them now.

    Args:
        page: the page as it is, with the marks BEGIN and END.

    Raises:
        ValueError: a mark is missing.
    """
    if not re.search(f"{re.escape(BEGIN)}.*{re.escape(END)}", page, flags=re.DOTALL):
        raise ValueError(f"{PAGE} lacks a mark; expected {BEGIN} and {END}")
    before, after = page.split(BEGIN, maxsplit=1)[0], page.split(END)[1]
    return f"{before}{BEGIN}\n\n{_joined(_tables())}\n\n{END}{after}"


def _tables() -> Iterator[str]:
    yield "## nst-live"
    for name, kind in SECTIONS.items():
        yield f"### {HEADINGS[name].capitalize()}"
        yield str(kind.__doc__)
        yield "\n".join(reference_table(options_of(kind), {"only for": _uses}))
    yield "### Keys in the window"
    yield "\n".join(_key_table())
    yield "### Controls"
    yield "What can be set and asked for in a show, by the page, HTTP, OSC and MIDI, as docs/control.md describes."
    yield "\n".join(_control_table())
    yield "### OSC"
    yield "The addresses of `--osc`, as docs/control.md describes. STYLE: a style's name, `_` for what OSC forbids."
    yield "\n".join(_osc_table())
    for command, kinds in COMMANDS.items():
        yield f"## {command}"
        yield "\n".join(reference_table([each for kind in kinds for each in options_of(kind)], {}))


def _key_table() -> Iterator[str]:
    yield "| key | meaning |"
    yield "| --- | --- |"
    yield from (f"| {keys} | {meaning} |" for keys, meaning in key_help())


def _control_table() -> Iterator[str]:
    yield "| control | values | keys | meaning |"
    yield "| --- | --- | --- | --- |"
    yield from (_control_row(each, _values(each)) for each in CONTROLS.values())
    yield from (_control_row(each, "command") for each in ACTIONS.values())


def _osc_table() -> Iterator[str]:
    yield "| address | argument | meaning |"
    yield "| --- | --- | --- |"
    yield from (f"| `{address}` | {argument} | {meaning} |" for address, argument, meaning in osc_reference())


def _control_row(each: Control | Action, values: str) -> str:
    keys = "1 … 9" if each.name == "style" else ", ".join(key.label for key in each.keys)
    return f"| `{each.name}` | {values} | {keys} | {each.help} |"


def _values(each: Control) -> str:
    kind = each.kind
    if isinstance(kind, Switch):
        return "on, off"
    if isinstance(kind, Range):
        return _values_in(kind.lowest, kind.highest, kind.unit)
    if isinstance(kind, OneOf):
        return ", ".join(kind.choices) or "the name of a style"
    if isinstance(kind, Weights):
        return f"{_values_in(0, kind.highest, kind.unit)} for each style"
    return ""


def _values_in(lowest: float, highest: float, unit: str) -> str:
    return f"{lowest:g} … {highest:g}" + (f" {unit}" if unit else "")


def _uses(each: Option) -> str:
    if not isinstance(each, LiveOption) or each.once or each.uses == set(Use):
        return ""
    return ", ".join(use.value for use in Use if use in each.uses)


def _joined(blocks: Iterable[str]) -> str:
    return "\n\n".join(blocks)


if __name__ == "__main__":
    PAGE.write_text(reference_page(PAGE.read_text()))
