"""A camera, through OpenCV."""

from __future__ import annotations

from collections.abc import Iterator, Set
from fractions import Fraction

import cv2
import numpy as np

from realtime.frames import Frame, Size
from realtime.media.decoding import SourceError
from realtime.media.rates import LIVE_TIME_BASE, exact_rate
from realtime.sources.base import BaseSource, SourceInfo
from realtime.sources.camera_list import (
    CameraDevice,
    CameraKey,
    Mode,
    default_camera,
    describe_cameras,
    find_again,
    find_camera,
    open_capture,
)
from realtime.sources.camera_thread import CameraThread

DEFAULT_CAMERA_SIZE = (640, 480)
# Some drivers look for hardware for most of a minute before they open a camera.
_OPEN_TIMEOUT_S = 60.0
# How long a camera may take until its first frame, and until each further one, before it is opened again.
_FIRST_FRAME_S, _SILENT_S = 10.0, 5.0
# A rate that differs by less is the one that was asked for: 29.97 stands for 30.
_RATE_TOLERANCE = 0.02


class CameraSource(BaseSource):
    """A camera. Its size and rate are what it really gives, which `info.notes` compares with what was asked for.

    Args:
        device: the camera.
        size: width and height to ask for; None for DEFAULT_CAMERA_SIZE.
        rate: frames per second to ask for; None for the camera's own.

    Raises:
        SourceError: the camera cannot be opened.
    """

    def __init__(self, device: CameraDevice, size: Size | None = None, rate: Fraction | None = None) -> None:
        self._stopped = False
        self._thread = CameraThread(lambda: open_capture(device), size or DEFAULT_CAMERA_SIZE, float(rate or 0))
        try:
            mode = self._opened_mode(device)
        except BaseException:
            self._thread.stop()
            raise
        super().__init__(
            SourceInfo(
                name=f"camera {device}",
                size=mode.size,
                rate=exact_rate(Fraction(mode.fps).limit_denominator(1001)) if mode.fps else rate or Fraction(30),
                time_base=LIVE_TIME_BASE,
                live=True,
                notes=(f"camera {device} gives {mode}{_refusal(mode, size, rate)}",),
            )
        )

    def _opened_mode(self, device: CameraDevice) -> Mode:
        """Returns what the camera gives, once it is open."""
        try:
            mode = self._thread.mode(_OPEN_TIMEOUT_S)
        except TimeoutError:
            raise SourceError(f"camera {device} does not open: its driver has not answered for a minute") from None
        if mode is None:
            raise SourceError(
                f"cannot open camera {device}; {describe_cameras()}; is another program using it, or does the system "
                "forbid it? without a camera, type: nst-live -i test"
            )
        return mode

    def frames(self) -> Iterator[Frame]:
        """Yields frames as they are captured.

        Raises:
            SourceError: no more frames come.
        """
        index = 0
        while (captured := self._thread.take(_SILENT_S if index else _FIRST_FRAME_S)) is not None:
            bgr, captured_at_s = captured
            rgb = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)
            yield Frame(rgb, index, captured_at_s)
            index += 1
        if not self._stopped:
            raise SourceError(f"{self.info.name} stopped giving frames; is it unplugged, or in use by another program?")

    def stop(self) -> None:
        self._stopped = True
        self._thread.stop()

    def close(self) -> None:
        self._thread.close()


def _refusal(mode: Mode, size: Size | None, rate: Fraction | None) -> str:
    """Returns which part of what was asked for a camera does not give, "" if it gives all."""
    parts = []
    if size not in (None, mode.size):
        parts.append(f"{size[0]}x{size[1]}")
    if rate is not None and mode.fps and abs(mode.fps - rate) > _RATE_TOLERANCE * rate:
        parts.append(f"at {float(rate):.4g} fps")
    return f", not {' '.join(parts)} as requested" if parts else ""


def choose_camera(wanted: str | None) -> CameraDevice:
    """Returns the camera with an index, a device path or a part of its name; the default camera for None.

    Raises:
        SourceError: there is none.
    """
    device = default_camera() if wanted is None else find_camera(wanted)
    if device is None:
        named = "" if wanted is None else f" {wanted!r}"
        raise SourceError(f"no camera{named} here; {describe_cameras()}; without a camera, type: nst-live -i test")
    return device


def choose_same_camera(lost: CameraDevice, twins: Set[CameraKey]) -> CameraDevice:
    """Returns a camera that was lost, which may have another number now.

    Args:
        lost: the camera as it was.
        twins: the keys of other cameras of the same name.

    Raises:
        SourceError: it is not back.
    """
    device = find_again(lost, twins)
    if device is None:
        raise SourceError(f"camera {lost} is not back; {describe_cameras()}")
    return device
