"""The docs say what the code does: the same keys, the same options, the same styles; and their links lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from realtime.app.options.table import TABLE
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


def test_the_page_of_styles_names_every_picture() -> None:
    page = (ROOT / "docs" / "styles.md").read_text()
    for picture in PICTURES.values():
        assert f"| `{picture.name}` | {picture.title}, {picture.artist}" in page


def test_the_readme_is_short_and_so_are_the_benchmarks() -> None:
    assert len(README.splitlines()) <= 100
    assert len((ROOT / "docs" / "benchmarks.md").read_text().splitlines()) <= 120


def test_the_moving_picture_loads_quickly() -> None:
    assert (ROOT / "docs" / "pictures" / "live.webp").stat().st_size <= 2_000_000


@pytest.mark.parametrize(
    "page", sorted(path.relative_to(ROOT) for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))), ids=str
)
def test_the_links_of_a_page_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", (ROOT / page).read_text())
    for link in links:
        if "://" not in link:
            assert (ROOT / page.parent / link).exists(), link


def test_the_pages_that_code_and_pages_name_are_there() -> None:
    named = {
        name
        for folder in ("realtime", "build_engines", "styles", "tools", "docs")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".md"}
        for name in re.findall(r"\bdocs/[\w/-]+\.md", path.read_text())
    }
    assert named
    for name in named:
        assert (ROOT / name).is_file(), name


def test_the_makefile_has_what_the_readme_says_to_type() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", README, flags=re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_the_commands_of_nst_train_are_understood() -> None:
    pages = [README, *((ROOT / page).read_text() for page in ("CONTRIBUTING.md", "docs/styles.md", "docs/tutorial.md"))]
    commands = [
        command
        for page in pages
        for command in re.findall(r"(?:^|`)(nst-train [^`…\s]+ [^`…\n]+)(?:$|`)", page, flags=re.MULTILINE)
    ]
    assert {parse(shlex.split(command)[1:]).name for command in commands} == {
        "",
        "paint",
        "evaluate",
        "base",
        "base export",
    }
