"""The user's folders, also of a user whom the system does not know and who has no home, as in many containers."""

from __future__ import annotations

import functools
import os
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import platformdirs

_APP = "nst-live"


def cache_folder() -> Path:
    """Returns the folder for what can be made again; it need not exist."""
    return _known(lambda: platformdirs.user_cache_path(_APP), "cache")


def data_folder() -> Path:
    """Returns the folder for what is the user's own, e.g. styles; it need not exist."""
    return _known(lambda: platformdirs.user_data_path(_APP), "data")


def settings_folder() -> Path:
    """Returns the folder of settings; it need not exist."""
    return _known(lambda: platformdirs.user_config_path(_APP), "settings")


def videos_folder() -> Path:
    """Returns the folder for what is saved by key; it need not exist."""
    return _known(lambda: platformdirs.user_videos_path() / _APP, "videos")


def _known(find: Callable[[], Path], name: str) -> Path:
    """Returns a folder below the user's home; without a home, one below the temporary folder."""
    with suppress(RuntimeError):  # what newer versions of platformdirs raise
        folder = find()
        if folder.is_absolute():  # what older ones return begins with "~", and would be made in the current folder
            return folder
    return _temporary() / name


@functools.cache
def _temporary() -> Path:
    """Returns a folder in the temporary one that belongs to this user alone."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"{_APP}-{user}"
    with suppress(OSError):  # somebody else may have been here first
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == user:
            return folder
    return Path(tempfile.mkdtemp(prefix=f"{_APP}-"))
