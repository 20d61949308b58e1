"""Which cameras there are, by index, device path and name, and what each can give."""

from __future__ import annotations

import importlib.util
import math
import re
import sys
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

# OpenCV can ask a camera for a size, but not which sizes it has: these are tried.
_USUAL_SIZES = ((320, 240), (640, 480), (800, 600), (1280, 720), (1920, 1080), (3840, 2160))
# Uncompressed pictures above this size do not fit through USB 2 at full rate.
_LARGEST_UNCOMPRESSED = 640 * 480
_CANNOT_LIST = "cameras cannot be listed here; type: pip install cv2-enumerate-cameras, or try --camera 1"
_SYSFS = Path("/sys/class/video4linux")


# A device path, or an index where there are none.
Place = str | int


@dataclass(frozen=True)
class CameraDevice:
    """A camera as the system names it; `path` is empty where only its index is known, which is one of `backend`.

    `virtual`: a program's and no device, where the system tells.
    """

    index: int
    name: str = ""
    path: str = ""
    backend: int = cv2.CAP_ANY
    virtual: bool = False

    @property
    def place(self) -> Place:
        return self.path or self.index

    def __str__(self) -> str:
        return " ".join(part for part in (str(self.index), self.name and f"({self.name})", self.path) if part)


def list_cameras(sysfs: Path = _SYSFS) -> Sequence[CameraDevice]:
    """Returns the cameras of this machine, by index. Empty where there are none or the system does not tell."""
    if sys.platform.startswith("linux"):
        return _linux_cameras(sysfs)
    if importlib.util.find_spec("cv2_enumerate_cameras"):
        from cv2_enumerate_cameras import enumerate_cameras, supported_backends

        # asked for one backend it counts from 0, as people do
        first, *others = supported_backends
        cameras = [CameraDevice(info.index, info.name, backend=first) for info in enumerate_cameras(first)]
        # what only another one knows, as virtual cameras of DirectShow: OpenCV takes index and backend as one number
        for backend in others:
            known = {camera.name for camera in cameras}
            more = (info for info in enumerate_cameras(backend) if info.name not in known)
            cameras += [CameraDevice(info.index + backend, info.name) for info in more]
        return cameras
    return []


def cameras_can_be_listed() -> bool:
    """Returns whether an empty list of cameras means that there are none."""
    return sys.platform.startswith("linux") or importlib.util.find_spec("cv2_enumerate_cameras") is not None


def open_capture(camera: CameraDevice) -> cv2.VideoCapture:
    """Returns OpenCV's capture of the camera, open or not."""
    return cv2.VideoCapture(camera.path) if camera.path else cv2.VideoCapture(camera.index, camera.backend)


@dataclass(frozen=True)
class Mode:
    """What a camera gives: size, pictures per second (0 where it does not say), and how they are coded."""

    size: tuple[int, int]
    fps: float = 0.0
    coding: str = ""

    def __str__(self) -> str:
        rate = f" at {self.fps:.4g} fps" if self.fps else ""
        return f"{self.size[0]}x{self.size[1]}{rate}" + (f" ({self.coding})" if self.coding else "")


def ask_for(capture: Any, size: tuple[int, int], fps: float = 0.0) -> Mode:
    """Asks an open `cv2.VideoCapture` for a size and a rate, and returns what it really gives."""
    if size[0] * size[1] > _LARGEST_UNCOMPRESSED:
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
    if fps:
        capture.set(cv2.CAP_PROP_FPS, fps)
    width, height = (int(capture.get(what)) for what in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    given_fps = float(capture.get(cv2.CAP_PROP_FPS))
    code = int(capture.get(cv2.CAP_PROP_FOURCC))
    letters = code.to_bytes(4, "little").decode("ascii", "replace") if code > 0 else ""
    usable = given_fps if 0 < given_fps < math.inf else 0.0
    return Mode((width or size[0], height or size[1]), usable, letters if letters.isalnum() else "")


def list_modes(camera: CameraDevice) -> Sequence[Mode]:
    """Returns which of the usual sizes a camera gives; empty where it cannot be opened. Its light goes on meanwhile."""
    capture = open_capture(camera)
    try:
        if not capture.isOpened():
            return []
        modes = [(size, ask_for(capture, size)) for size in _USUAL_SIZES]
        return [mode for size, mode in modes if mode.size == size]
    finally:
        capture.release()


def usual_camera() -> CameraDevice | None:
    """Returns the camera that is taken where none is named: the first, one that is a device before a program's."""
    cameras = list_cameras()
    if not cameras:
        return None if cameras_can_be_listed() else CameraDevice(0)
    return min(cameras, key=lambda camera: camera.virtual)


def find_camera(wanted: str) -> CameraDevice | None:
    """Returns the camera with that index, device path or part of its name; None where there is none.

    An index is believed where cameras cannot be listed; opening it will tell.
    """
    cameras = list_cameras()
    if wanted.isdecimal():
        index = int(wanted)
        believed = None if cameras_can_be_listed() else CameraDevice(index)
        return next((camera for camera in cameras if camera.index == index), believed)
    if wanted.startswith("/dev/"):
        digits = re.search(r"\d+$", wanted)
        return CameraDevice(int(digits[0]) if digits else 0, path=wanted) if Path(wanted).exists() else None
    return next((camera for camera in cameras if wanted.casefold() in camera.name.casefold()), None)


def twins_of(camera: CameraDevice) -> Set[Place]:
    """Returns where other cameras of the same name are."""
    return {each.place for each in list_cameras() if each.name == camera.name} - {camera.place}


def find_again(lost: CameraDevice, twins: Set[Place]) -> CameraDevice | None:
    """Returns a camera that was lost as it is called now: plugged in again, it may have another number.

    twins: where other cameras of that name were when it was opened, which is not where it is now.
    """
    named = [each for each in list_cameras() if lost.name and each.name == lost.name and each.place not in twins]
    return next((each for each in named if each.place == lost.place), named[0] if named else None)


def describe_cameras() -> str:
    """Returns one line that tells which cameras there are."""
    cameras = list_cameras()
    if cameras:
        return "found: " + ", ".join(map(str, cameras))
    return "found no camera at all" if cameras_can_be_listed() else _CANNOT_LIST


def _linux_cameras(sysfs: Path) -> list[CameraDevice]:
    cameras = []
    for device in sorted(sysfs.glob("video*"), key=lambda path: int(re.sub(r"\D", "", path.name) or 0)):
        # a camera's second and later nodes carry metadata, not pictures
        index_file = device / "index"
        if index_file.is_file() and index_file.read_text().strip() != "0":
            continue
        name = (device / "name").read_text().strip() if (device / "name").is_file() else ""
        virtual = "virtual" in device.resolve().parts
        cameras.append(CameraDevice(int(re.sub(r"\D", "", device.name)), name, f"/dev/{device.name}", virtual=virtual))
    return cameras
