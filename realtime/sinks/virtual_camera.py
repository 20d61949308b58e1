"""A virtual camera: Zoom, Teams, OBS and browsers list it like a device, and it shows what is painted."""

from __future__ import annotations

import re
import sys
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from fractions import Fraction
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np

from realtime.frames import Frame, Pixels, Size
from realtime.sinks.driver_messages import DriverMessages

# How to get a virtual camera, by the beginning of sys.platform.
_HELP: Mapping[str, str] = {
    "linux": 'type: sudo modprobe v4l2loopback exclusive_caps=1 card_label="nst-live" (package v4l2loopback-dkms)',
    "win": "install OBS Studio from https://obsproject.com and start its virtual camera once",
    "darwin": "install OBS Studio 30 or newer, start its virtual camera once, and allow it in System Settings",
}


# What pyvirtualcam prints on Linux in place of an error, without an end of line.
_FAILED_WRITE = re.compile(rb"error writing frame: ([^\n]*?)(?=error writing frame|\n|$)\n?")
# A single frame may fail; a device that takes none for so long is opened again.
_FAILING_S, _RETRY_S = 1.0, 1.0


class VirtualCameraError(OSError):
    """There is no virtual camera, or it is in use by another program."""


class VirtualCamera:
    """A sink that other programs see as a camera. A context manager; a SinkQueue writes into it.

    A device that takes no more frames is opened again until it does; until then frames are dropped, and `status` says
    why.

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
        self._rate = rate
        self._camera: Any = self._open(device)
        self.device: str = self._camera.device
        self.status = f"virtual camera: {self.device}"
        """One line that names the device, and says what is wrong with it."""
        # elsewhere what fails is raised
        self._messages = DriverMessages(_FAILED_WRITE) if sys.platform.startswith("linux") else None
        self._failing_since_s: float | None = None
        self._retry_at_s = 0.0

    def _open(self, device: str) -> Any:
        try:
            import pyvirtualcam
        except ImportError as exc:
            raise VirtualCameraError(
                'a virtual camera needs pyvirtualcam; type: pip install "nst-live[virtualcam]"'
            ) from exc
        try:
            # RGB as it is: the driver converts it to what it needs, without a copy on the way
            return pyvirtualcam.Camera(
                *self._size, float(self._rate), fmt=pyvirtualcam.PixelFormat.RGB, device=device or None
            )
        except Exception as exc:  # drivers raise anything
            wanted = f"the virtual camera {device}" if device else "a virtual camera"
            raise VirtualCameraError(f"cannot open {wanted}: {_one_line(exc)}; {_help_here()}") from exc

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()
        if self._messages is not None:
            self._messages.close()

    def write(self, pixels: Pixels, frame: Frame) -> None:  # noqa: ARG002 - the device has a clock of its own
        """Shows a frame, H x W x 3 uint8 RGB, and waits until the device's next one is due."""
        shown = np.ascontiguousarray(self._fitting(self._due(pixels)))
        if self._camera is None and not self._is_back():
            time.sleep(float(1 / self._rate))
            return
        try:
            failure, for_good = self._send(shown), False
        except Exception as exc:  # drivers raise anything
            failure, for_good = _one_line(exc), True
        if failure:
            self._note_failure(failure, for_good)
        else:
            self._failing_since_s = None
        if self._camera is not None:
            self._camera.sleep_until_next_frame()

    def _send(self, pixels: Pixels) -> str:
        """Sends a frame; returns why the device did not take it, "" if it did. Raises what the driver raises."""
        if self._messages is not None:
            return self._messages.during(lambda: self._camera.send(pixels))
        self._camera.send(pixels)
        return ""

    def _note_failure(self, reason: str, for_good: bool) -> None:
        """Lets the device go if it fails for good, or has failed for a while."""
        now_s = time.monotonic()
        self._failing_since_s = now_s if self._failing_since_s is None else self._failing_since_s
        if for_good or now_s - self._failing_since_s > _FAILING_S:
            self._failing_since_s, self._retry_at_s = None, now_s + _RETRY_S
            self.status = f"virtual camera {self.device} lost ({reason}), trying again"
            self._close()

    def _is_back(self) -> bool:
        """Tries now and then to open the device again; returns whether it is open."""
        now_s = time.monotonic()
        if now_s < self._retry_at_s:
            return False
        self._retry_at_s = now_s + _RETRY_S
        try:
            self._camera = self._open(self.device)
        except VirtualCameraError:  # it is still away, and the status says so
            return False
        self.status = f"virtual camera: {self.device}"
        return True

    def _close(self) -> None:
        camera, self._camera = self._camera, None
        if camera is not None:
            with suppress(Exception):  # drivers raise anything, also when they are gone
                camera.close()

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
