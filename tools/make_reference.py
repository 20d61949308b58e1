"""Writes the tables of options and keys into docs/reference.md. Type: python -m tools.make_reference"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from build_engines.cli import DoctorOptions, OnnxOptions
from build_engines.tensorrt.command import EngineOptions
from realtime.app.bench import BenchOptions
from realtime.app.cache import CacheOptions
from realtime.app.gallery import GalleryOptions
from realtime.app.options import HEADINGS, SECTIONS, LiveOption, Use
from realtime.app.own_styles import OwnStylesOptions
from realtime.app.pack import PackOptions
from realtime.session import key_help
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
    for command, kinds in COMMANDS.items():
        yield f"## {command}"
        yield "\n".join(reference_table([each for kind in kinds for each in options_of(kind)], {}))


def _key_table() -> Iterator[str]:
    yield "| key | meaning |"
    yield "| --- | --- |"
    yield from (f"| {keys} | {meaning} |" for keys, meaning in key_help())


def _uses(each: Option) -> str:
    if not isinstance(each, LiveOption) or each.once or each.uses == set(Use):
        return ""
    return ", ".join(use.value for use in Use if use in each.uses)


def _joined(blocks: Iterable[str]) -> str:
    return "\n\n".join(blocks)


if __name__ == "__main__":
    PAGE.write_text(reference_page(PAGE.read_text()))
