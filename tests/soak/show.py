"""The show of a soak: the command itself, with a camera that is not there, and a diary of what it does."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import cv2

from realtime.app.main import main
from realtime.frames import Frame
from realtime.player.status import Status
from realtime.sources import camera_list
from realtime.sources.camera_list import CameraDevice
from tests.soak.world import FPS, NAME, SIZE, Camera


class Capture:
    """Stands for OpenCV's capture of the camera."""

    def __init__(self, camera: Camera, path: str) -> None:
        self._camera, self._node = camera, camera.node
        self._open = path == f"/dev/video{self._node}"

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return self._open

    def read(self) -> tuple[bool, Any]:
        pixels = self._camera.read() if self._open and self._camera.node == self._node else None
        return pixels is not None, pixels

    def get(self, what: int) -> float:
        known = {cv2.CAP_PROP_FRAME_WIDTH: SIZE[0], cv2.CAP_PROP_FRAME_HEIGHT: SIZE[1], cv2.CAP_PROP_FPS: FPS}
        return float(known.get(what, 0))

    def set(self, *_: Any) -> bool:
        return True

    def release(self) -> None:
        self._open = False


def plug_in(camera: Camera) -> None:
    """Lets OpenCV and the list of cameras find the camera, under the number that it has at the moment."""

    def listed() -> list[CameraDevice]:
        node = camera.node
        return [] if node is None else [CameraDevice(node, NAME, f"/dev/video{node}", place="usb-1")]

    camera_list.list_cameras = listed  # type: ignore[assignment]
    cv2.VideoCapture = lambda path, _backend=0: Capture(camera, path)  # type: ignore[assignment, misc]


def keep_diary(file: TextIO) -> None:
    """Writes the frames of each second and how late they were, one line a second."""
    finished = Status.frame_finished
    second: list[tuple[float, float]] = []

    def note(status: Status, frame: Frame, dropped: int, now_s: float) -> bool:
        if second and int(now_s) != int(second[0][0]):
            late_s = sum(each for _, each in second) / len(second)
            file.write(json.dumps({"at_s": second[0][0], "frames": len(second), "late_s": late_s}) + "\n")
            file.flush()
            second.clear()
        second.append((now_s, now_s - frame.captured_at_s))
        return finished(status, frame, dropped, now_s)

    Status.frame_finished = note  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    diary, *words = sys.argv[1:]
    plug_in(Camera(time.monotonic()))
    with Path(diary).open("w") as opened:
        keep_diary(opened)
        sys.exit(main(words))
