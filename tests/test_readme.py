"""README and reference say what the code does: the same options, the same keys, the same styles."""

from __future__ import annotations

import re
import shlex

import pytest

from realtime.app.options import TABLE
from realtime.session import key_help
from styles.cli.main import parse
from styles.registry import PICTURES
from tests.conftest import ROOT
from tools.make_reference import reference_page

README = (ROOT / "README.md").read_text()
REFERENCE = (ROOT / "docs" / "reference.md").read_text()


def test_the_reference_is_the_one_that_the_tables_make() -> None:
    assert reference_page(REFERENCE) == REFERENCE, "type: python -m tools.make_reference"


def test_a_reference_without_marks_is_not_written() -> None:
    with pytest.raises(ValueError, match="lacks a mark"):
        reference_page("# Reference\n")


def test_the_reference_has_the_keys_of_the_table() -> None:
    section = REFERENCE.split("### Keys in the window")[1].split("## ")[0]
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", section, flags=re.MULTILINE)
    assert tuple(rows[2:]) == key_help()


def test_the_reference_has_every_option_of_nst_live_and_no_other() -> None:
    section = REFERENCE.split("## nst-live\n")[1].split("### Keys")[0]
    cells = re.findall(r"^\| (`.*?) \| ", section, flags=re.MULTILINE)
    described = {flag for cell in cells for flag in re.findall(r"`(--?[a-zA-Z][\w-]*)", cell)}
    assert described == {flag for each in TABLE.values() for flag in each.flags}


def test_the_readme_names_every_picture() -> None:
    for picture in PICTURES.values():
        assert f"| `{picture.name}` | {picture.title}, {picture.artist}" in README


def test_the_makefile_has_what_the_readme_says_to_type() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", README, flags=re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_the_commands_of_nst_train_are_understood() -> None:
    pages = [README, *((ROOT / page).read_text() for page in ("CONTRIBUTING.md", "docs/tutorial.md"))]
    commands = [
        command
        for page in pages
        for command in re.findall(r"(?:^|`)(nst-train [^`…\s]+ [^`…\n]+)(?:$|`)", page, flags=re.MULTILINE)
    ]
    assert {parse(shlex.split(command)[1:])[0] for command in commands} == {"", "paint", "evaluate"}
