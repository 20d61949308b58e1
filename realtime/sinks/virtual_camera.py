"""A virtual camera: Zoom, Teams, OBS and browsers list it like a device, and it shows what is painted."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Mapping
from fractions import Fraction
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np

from realtime.frames import Frame, Pixels, Size

# How to get a virtual camera, by the beginning of sys.platform.
_HELP: Mapping[str, str] = {
    "linux": 'type: sudo modprobe v4l2loopback exclusive_caps=1 card_label="nst-live" (package v4l2loopback-dkms)',
    "win": "install OBS Studio from https://obsproject.com and start its virtual camera once",
    "darwin": "install OBS Studio 30 or newer, start its virtual camera once, and allow it in System Settings",
}


class VirtualCameraError(OSError):
    """There is no virtual camera, or it is in use by another program."""


class VirtualCameraGoneError(OSError):
    """A virtual camera that was open takes no more frames."""


class VirtualCamera:
    """A sink that other programs see as a camera. A context manager; a SinkQueue writes into it.

    Args:
        size: width and height of the frames; if a side is odd its last line is left out, since cameras have even ones.
        rate: frames per second.
        device: its name, "" for any.
        late_s: how much later it shows its frames, in seconds.

    `device` is the name of the device that was opened.

    Raises:
        VirtualCameraError: it cannot be opened; the text says what to type or install.
    """

    def __init__(self, size: Size, rate: Fraction, device: str = "", late_s: float = 0.0) -> None:
        self._late_s = late_s
        self._held: deque[tuple[float, Pixels]] = deque()
        self._size = (max(2, size[0] // 2 * 2), max(2, size[1] // 2 * 2))
        try:
            import pyvirtualcam
        except ImportError as exc:
            raise VirtualCameraError(
                'a virtual camera needs pyvirtualcam; type: pip install "nst-live[virtualcam]"'
            ) from exc
        try:
            # RGB as it is: the driver converts it to what it needs, without a copy on the way
            self._camera: Any = pyvirtualcam.Camera(
                *self._size, float(rate), fmt=pyvirtualcam.PixelFormat.RGB, device=device or None
            )
        except Exception as exc:  # drivers raise anything
            wanted = f"the virtual camera {device}" if device else "a virtual camera"
            raise VirtualCameraError(f"cannot open {wanted}: {_one_line(exc)}; {_help_here()}") from exc
        self.device: str = self._camera.device

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._camera.close()

    @property
    def status(self) -> str:
        """One line that names the device."""
        return f"virtual camera: {self.device}"

    def write(self, pixels: Pixels, frame: Frame) -> None:  # noqa: ARG002 - the device has a clock of its own
        """Shows a frame, H x W x 3 uint8 RGB, and waits until the device's next one is due.

        Raises:
            VirtualCameraGoneError: the device takes no more frames.
        """
        try:
            self._camera.send(np.ascontiguousarray(self._fitting(self._due(pixels))))
        except Exception as exc:  # drivers raise anything
            raise VirtualCameraGoneError(f"the virtual camera {self.device} is gone: {_one_line(exc)}") from exc
        self._camera.sleep_until_next_frame()

    def _due(self, pixels: Pixels) -> Pixels:
        """Holds a frame until it is due, and returns the one that is due by now."""
        now_s = time.monotonic()
        self._held.append((now_s + self._late_s, pixels))
        while len(self._held) > 1 and self._held[1][0] <= now_s:
            self._held.popleft()
        return self._held[0][1]

    def _fitting(self, pixels: Pixels) -> Pixels:
        width, height = self._size
        if pixels.shape[0] // 2 * 2 == height and pixels.shape[1] // 2 * 2 == width:
            return pixels[:height, :width]
        return np.asarray(cv2.resize(pixels, self._size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _help_here() -> str:
    return next((text for platform, text in _HELP.items() if sys.platform.startswith(platform)), _HELP["linux"])


def _one_line(exc: Exception) -> str:
    return " ".join(str(exc).split()).rstrip(".") or type(exc).__name__
