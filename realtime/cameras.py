"""Which cameras there are, by index, device path and name."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_SYSFS = Path("/sys/class/video4linux")


@dataclass(frozen=True)
class Camera:
    """A camera as the system names it; `path` is empty where only its index is known."""

    index: int
    name: str = ""
    path: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (str(self.index), self.name and f"({self.name})", self.path) if part)


def list_cameras(sysfs: Path = _SYSFS) -> Sequence[Camera]:
    """Returns the cameras of this machine, by index. Empty where there are none or the system does not tell."""
    if sys.platform.startswith("linux"):
        return _linux_cameras(sysfs)
    if importlib.util.find_spec("cv2_enumerate_cameras"):
        from cv2_enumerate_cameras import enumerate_cameras

        return [Camera(info.index, info.name) for info in enumerate_cameras()]
    return []


def find_camera(wanted: str) -> Camera | None:
    """Returns the camera with that index, device path or part of its name; None where there is none.

    An index is believed where cameras cannot be listed; opening it will tell.
    """
    cameras = list_cameras()
    if wanted.isdecimal():
        index = int(wanted)
        listable = sys.platform.startswith("linux") or bool(cameras)
        return next((camera for camera in cameras if camera.index == index), None if listable else Camera(index))
    if wanted.startswith("/dev/"):
        digits = re.search(r"\d+$", wanted)
        return Camera(int(digits[0]) if digits else 0, path=wanted) if Path(wanted).exists() else None
    return next((camera for camera in cameras if wanted.casefold() in camera.name.casefold()), None)


def describe_cameras() -> str:
    """Returns one line that tells which cameras there are."""
    cameras = list_cameras()
    return "found: " + ", ".join(map(str, cameras)) if cameras else "found no camera at all"


def _linux_cameras(sysfs: Path) -> list[Camera]:
    cameras = []
    for device in sorted(sysfs.glob("video*"), key=lambda path: int(re.sub(r"\D", "", path.name) or 0)):
        # a camera's second and later nodes carry metadata, not pictures
        index_file = device / "index"
        if index_file.is_file() and index_file.read_text().strip() != "0":
            continue
        name = (device / "name").read_text().strip() if (device / "name").is_file() else ""
        cameras.append(Camera(int(re.sub(r"\D", "", device.name)), name, f"/dev/{device.name}"))
    return cameras
