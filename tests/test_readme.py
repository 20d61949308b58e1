"""The README says what the code does: the same keys, the same options, the same styles."""

from __future__ import annotations

import re
import shlex

from realtime.app.options import TABLE
from realtime.session import key_help
from styles.cli.main import parse
from styles.registry import PICTURES
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text()


def test_the_readme_has_the_keys_of_the_table() -> None:
    section = README.split("Keys in the window:")[1].split("Options of")[0]
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", section, flags=re.MULTILINE)
    assert tuple(rows[2:]) == key_help()


def test_the_readme_has_every_option_and_no_other() -> None:
    section = README.split("Options of")[1].split("Exit codes")[0]
    described = set(re.findall(r"`(--?[a-zA-Z][\w-]*)", section))
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
