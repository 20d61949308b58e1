"""The cameras of this machine, by index, device path and name, and the modes that each offers."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2

from realtime.frames import Size
from realtime.media.rates import believable_rate

# OpenCV can ask a camera for a size, but cannot list its sizes: these are tried.
_COMMON_SIZES = ((320, 240), (640, 480), (800, 600), (1280, 720), (1920, 1080), (3840, 2160))
# Uncompressed frames above this size or rate are too much for USB 2.
_LARGEST_UNCOMPRESSED, _FASTEST_UNCOMPRESSED = 640 * 480, 30.0
_CANNOT_LIST = "cameras cannot be listed here; type: pip install cv2-enumerate-cameras, or try --camera 1"
# Outside Linux, the core install brings it.
_LISTER = "cv2_enumerate_cameras"
_SYSFS, _NODES = Path("/sys/class/video4linux"), Path("/dev")
# Linux's videodev2.h: the request for what a node can do, the size of the answer, where its two sets of flags are, and
# the flags for "the second set is that of the node alone" and "captures video", in one plane or in several.
_QUERYCAP, _QUERYCAP_BYTES, _QUERYCAP_FLAGS = 0x80685600, 104, (84, 88)
_HAS_NODE_FLAGS, _CAPTURES = 0x80000000, 0x00001001

# What tells cameras of the same name apart: a place, else a device path, else an index.
CameraKey = str | int


@dataclass(frozen=True)
class CameraDevice:
    """A camera as the system names it.

    Args:
        index: OpenCV's index, among the cameras of `backend`.
        name: its name, "" if the system does not say.
        path: its device path, "" if only its index is known.
        backend: the backend of OpenCV that opens it.
        virtual: whether it belongs to a program instead of a device, if the system says so.
        place: where it is plugged in, as the system names it; "" if it does not say.
        node: which of the nodes of its device it is: a device may have a second one for infrared.
    """

    index: int
    name: str = ""
    path: str = ""
    backend: int = cv2.CAP_ANY
    virtual: bool = False
    place: str = field(default="", compare=False)
    node: int = field(default=0, compare=False)

    @property
    def key(self) -> CameraKey:
        """Its place, its device path, or its index."""
        return self.place or self.path or self.index

    def __str__(self) -> str:
        return " ".join(part for part in (str(self.index), self.name and f"({self.name})", self.path) if part)


def list_cameras(sysfs: Path = _SYSFS, nodes: Path = _NODES) -> Sequence[CameraDevice]:
    """Returns the cameras of this machine, by index; none if there are none or they cannot be listed.

    Args:
        sysfs: where Linux lists its cameras.
        nodes: where their devices are.
    """
    if sys.platform.startswith("linux"):
        return _linux_cameras(sysfs, nodes)
    return _cameras_elsewhere() if importlib.util.find_spec(_LISTER) else []


def cameras_can_be_listed() -> bool:
    """Returns whether an empty list of cameras means that there are none."""
    return sys.platform.startswith("linux") or importlib.util.find_spec(_LISTER) is not None


def open_capture(camera: CameraDevice) -> cv2.VideoCapture:
    """Returns OpenCV's capture of the camera; `isOpened` says whether that worked."""
    if not camera.path:
        return cv2.VideoCapture(camera.index, camera.backend)
    # the other backends would take a camera that is busy for a file, and look at it for a while
    return cv2.VideoCapture(camera.path, cv2.CAP_V4L2 if camera.path.startswith("/dev/") else cv2.CAP_ANY)


@dataclass(frozen=True)
class Mode:
    """What a camera gives.

    Args:
        size: width and height.
        fps: frames per second, 0 if it does not say.
        coding: four letters for how frames are coded, e.g. "MJPG"; "" if it does not say.
    """

    size: Size
    fps: float = 0.0
    coding: str = ""

    def __str__(self) -> str:
        rate = f" at {self.fps:.4g} fps" if self.fps else ""
        return f"{self.size[0]}x{self.size[1]}{rate}" + (f" ({self.coding})" if self.coding else "")


def request_mode(capture: Any, size: Size, fps: float = 0.0) -> Mode:
    """Asks a camera for a size and a rate, and returns what it really gives.

    Args:
        capture: an open `cv2.VideoCapture`.
        size: width and height.
        fps: frames per second; 0 for the camera's own.
    """
    if size[0] * size[1] > _LARGEST_UNCOMPRESSED or fps > _FASTEST_UNCOMPRESSED:
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
    if fps:
        capture.set(cv2.CAP_PROP_FPS, fps)
    width, height = (int(capture.get(what)) for what in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    given_fps = float(capture.get(cv2.CAP_PROP_FPS))
    code = int(capture.get(cv2.CAP_PROP_FOURCC))
    letters = code.to_bytes(4, "little").decode("ascii", "replace") if code > 0 else ""
    usable = believable_rate(given_fps, live=True)
    return Mode((width or size[0], height or size[1]), float(usable or 0), letters if letters.isalnum() else "")


def list_modes(camera: CameraDevice) -> Sequence[Mode]:
    """Returns which of the common sizes a camera gives; none if it cannot be opened. Its light goes on meanwhile."""
    capture = open_capture(camera)
    try:
        if not capture.isOpened():
            return []
        modes = [(size, request_mode(capture, size)) for size in _COMMON_SIZES]
        return [mode for size, mode in modes if mode.size == size]
    finally:
        capture.release()


def default_camera() -> CameraDevice | None:
    """Returns the first camera, but a virtual one only if there is no other; None if there is none."""
    cameras = list_cameras()
    if not cameras:
        return None if cameras_can_be_listed() else CameraDevice(0)
    return min(cameras, key=lambda camera: camera.virtual)


def find_camera(wanted: str) -> CameraDevice | None:
    """Returns the camera with an index, a device path or a part of its name; None if there is none.

    If cameras cannot be listed, any index is taken on trust until it is opened.
    """
    cameras = list_cameras()
    if wanted.isdecimal():
        index = int(wanted)
        trusted = None if cameras_can_be_listed() else CameraDevice(index)
        return next((camera for camera in cameras if camera.index == index), trusted)
    if wanted.startswith("/dev/"):
        return _camera_at(wanted, cameras) if Path(wanted).exists() else None
    return next((camera for camera in cameras if wanted.casefold() in camera.name.casefold()), None)


def _camera_at(path: str, cameras: Sequence[CameraDevice]) -> CameraDevice:
    """Returns the camera with a device path, which may be a link, e.g. /dev/v4l/by-id/…"""
    node = str(Path(path).resolve())
    listed = next((camera for camera in cameras if camera.path in (path, node)), None)
    if listed is not None:
        return replace(listed, path=path)
    digits = re.search(r"\d+$", node)
    return CameraDevice(int(digits[0]) if digits else 0, path=path)


def twins_of(camera: CameraDevice) -> Set[CameraKey]:
    """Returns the keys of other cameras of the same name."""
    return {each.key for each in list_cameras() if each.name == camera.name} - {camera.key}


def find_again(lost: CameraDevice, twins: Set[CameraKey]) -> CameraDevice | None:
    """Returns a camera that was lost, which may have another number once it is plugged in again; None if it is not.

    It is known by its name, and by its place if there are several of that name or it has none. Whatever else has its
    number by now is another camera.

    Args:
        lost: the camera as it was.
        twins: the keys of the other cameras of that name when it was opened; it has none of them now.
    """
    cameras = list_cameras()
    if not lost.name and lost.path and all(each.path != lost.path for each in cameras):
        return lost if Path(lost.path).exists() else None  # no camera that the system lists
    if not cameras_can_be_listed():
        return lost
    named = [each for each in cameras if each.name == lost.name and each.node == lost.node]
    in_place = next((each for each in named if each.key == lost.key), None)
    if in_place is not None or not lost.name:
        return in_place
    return next((each for each in named if each.key not in twins), None)


def describe_cameras() -> str:
    """Returns one line that lists the cameras."""
    cameras = list_cameras()
    if cameras:
        return "found: " + ", ".join(map(str, cameras))
    return "found no camera at all" if cameras_can_be_listed() else _CANNOT_LIST


def _linux_cameras(sysfs: Path, nodes: Path) -> list[CameraDevice]:
    cameras = []
    for device in sorted(sysfs.glob("video*"), key=lambda path: int(re.sub(r"\D", "", path.name) or 0)):
        if not _is_camera(device, nodes / device.name):
            continue
        node = int(_read(device / "index") or 0)
        cameras.append(
            CameraDevice(
                int(re.sub(r"\D", "", device.name)),
                _read(device / "name"),
                f"/dev/{device.name}",
                virtual="virtual" in device.resolve().parts,
                place=f"{(device / 'device').resolve()} {node}" if (device / "device").exists() else "",
                node=node,
            )
        )
    return cameras


def _cameras_elsewhere() -> list[CameraDevice]:
    """Returns the cameras of Windows and macOS."""
    from cv2_enumerate_cameras import enumerate_cameras, supported_backends

    # with a single backend it counts from 0, as people do
    first, *others = supported_backends
    cameras = [
        CameraDevice(info.index, info.name, backend=first, place=str(info.path or ""))
        for info in enumerate_cameras(first)
    ]
    # cameras that only another backend knows, e.g. virtual ones: OpenCV takes index and backend as one number
    for backend in others:
        known = {camera.name for camera in cameras}
        more = (info for info in enumerate_cameras(backend) if info.name not in known)
        cameras += [CameraDevice(info.index + backend, info.name, place=str(info.path or "")) for info in more]
    return cameras


def _read(file: Path) -> str:
    """Returns what a file of sysfs says; "" if there is none, as it may go away with its device."""
    try:
        return file.read_text().strip()
    except OSError:
        return ""


def _is_camera(device: Path, node: Path) -> bool:
    """Returns whether a node captures video: others encode, carry metadata, or wait for a program that shows something.

    Args:
        device: its folder in sysfs.
        node: its device.
    """
    captures = _captures(node)
    if captures is not None:
        return captures
    # usually the second and later nodes of a camera carry metadata
    return _read(device / "index") in ("", "0")


def _captures(node: Path) -> bool | None:
    """Returns whether a node of Video4Linux captures video; None if it cannot be asked. No light goes on."""
    import fcntl

    answer = bytearray(_QUERYCAP_BYTES)
    try:
        descriptor = os.open(node, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:  # e.g. no permission
        return None
    try:
        fcntl.ioctl(descriptor, _QUERYCAP, answer)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    device_flags, node_flags = (int.from_bytes(answer[at : at + 4], sys.byteorder) for at in _QUERYCAP_FLAGS)
    return bool((node_flags if device_flags & _HAS_NODE_FLAGS else device_flags) & _CAPTURES)
