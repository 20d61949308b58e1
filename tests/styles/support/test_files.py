"""Files that are there whole or not at all, locks, and folders of users without a home."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from styles.support import user_folders
from styles.support.atomic_file import fitting_name, move_into_place
from styles.support.file_lock import LockedError, PathLock, is_locked
from tests.conftest import ROOT

UNIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows locks nothing here")


@pytest.mark.parametrize("stem", ["film", "f" * 246, "ü" * 123, "f" * 255, "ü" * 300])
def test_a_name_fits_with_its_ending(stem: str) -> None:
    name = fitting_name(stem, ".partial.mp4")
    assert name.endswith(".partial.mp4")
    assert len(os.fsencode(name)) <= 255
    assert len(os.fsencode(stem)) > 243 or name == f"{stem}.partial.mp4"
    assert name != fitting_name(f"{stem}2", ".partial.mp4")


def test_what_is_moved_into_place_takes_over_the_mode(tmp_path: Path) -> None:
    old, new = tmp_path / "a", tmp_path / "b"
    old.write_text("old")
    old.chmod(0o600)
    new.write_text("new")
    move_into_place(new, old)
    assert old.read_text() == "new"
    assert stat.S_IMODE(old.stat().st_mode) == 0o600
    assert not new.exists()


@UNIX
@pytest.mark.parametrize("is_folder", [True, False])
def test_a_lock_keeps_other_processes_out_until_it_is_given_back(is_folder: bool, tmp_path: Path) -> None:
    path = tmp_path / "a"
    code = (
        "import sys; from pathlib import Path; from styles.support.file_lock import LockedError, PathLock\n"
        "try: PathLock(Path(sys.argv[1]), is_folder=sys.argv[2] == 'True')\n"
        "except LockedError: sys.exit(7)"
    )
    command = [sys.executable, "-c", code, str(path), str(is_folder)]
    lock = PathLock(path, is_folder=is_folder)
    assert is_locked(path)
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 7
    with pytest.raises(LockedError):
        PathLock(path, is_folder=is_folder)
    lock.release()
    lock.release()
    assert not is_locked(path)
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0


@UNIX
def test_a_lock_goes_with_its_process(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from styles.support.file_lock import PathLock\n"
        "lock = PathLock(Path(sys.argv[1])); os.write(1, b'.'); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read(1) == b"."
        assert is_locked(tmp_path / "a")
        process.kill()
        process.wait()
        assert not is_locked(tmp_path / "a")


@UNIX
@pytest.mark.parametrize("is_folder", [True, False])
def test_a_lock_knows_when_its_file_is_gone(is_folder: bool, tmp_path: Path) -> None:
    path = tmp_path / "a"
    lock = PathLock(path, is_folder=is_folder)
    assert not lock.gone
    if is_folder:
        path.rmdir()
    else:
        path.unlink()
    assert lock.gone
    # whoever comes next makes another one
    PathLock(path, is_folder=is_folder).release()
    lock.release()


def test_a_lock_changes_nothing_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("kept")
    PathLock(tmp_path / "a").release()
    assert (tmp_path / "a").read_text() == "kept"


@UNIX
@pytest.mark.parametrize("taken", [False, True])
def test_without_a_home_folders_are_private_ones_in_the_temporary_folder(
    taken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_home(*_: object) -> Path:
        raise RuntimeError("could not determine the home directory")

    for name in ("cache", "data", "config", "videos"):
        monkeypatch.setattr(f"platformdirs.user_{name}_path", no_home)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    user_folders._temporary.cache_clear()
    usual = tmp_path / f"nst-live-{os.getuid()}"
    if taken:
        # by somebody else, who may have laid a link
        (tmp_path / "elsewhere").mkdir()
        usual.symlink_to(tmp_path / "elsewhere")
    folders = [user_folders.cache_folder(), user_folders.data_folder(), user_folders.settings_folder()]
    user_folders._temporary.cache_clear()
    assert {folder.name for folder in folders} == {"cache", "data", "settings"}
    (parent,) = {folder.parent for folder in folders}
    assert (parent == usual) != taken
    assert parent.parent == tmp_path
    assert stat.S_IMODE(parent.stat().st_mode) == 0o700
