"""A camera, through OpenCV."""

from __future__ import annotations

import time
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
    default_camera,
    describe_cameras,
    find_again,
    find_camera,
    open_capture,
    request_mode,
)

DEFAULT_CAMERA_SIZE = (640, 480)
# A camera may drop a frame now and then, above all its first ones; after this many in a row it is gone.
_MAX_EMPTY_READS = 30


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
        self._capture = _open_capture(device)
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        mode = request_mode(self._capture, size or DEFAULT_CAMERA_SIZE, float(rate or 0))
        refused = "" if size in (None, mode.size) else f", not {size[0]}x{size[1]} as requested"
        super().__init__(
            SourceInfo(
                name=f"camera {device}",
                size=mode.size,
                rate=exact_rate(Fraction(mode.fps).limit_denominator(1001)) if mode.fps else rate or Fraction(30),
                time_base=LIVE_TIME_BASE,
                live=True,
                notes=(f"camera {device} gives {mode}{refused}",),
            )
        )

    def frames(self) -> Iterator[Frame]:
        """Yields frames as they are captured.

        Raises:
            SourceError: no more frames come.
        """
        index = empty = 0
        while empty < _MAX_EMPTY_READS:
            good, bgr = self._capture.read()
            captured_at_s = time.monotonic()
            if not good or bgr is None or bgr.size == 0:
                empty += 1
                time.sleep(0.01)
                continue
            empty = 0
            rgb = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)
            yield Frame(rgb, index, captured_at_s)
            index += 1
        raise SourceError(f"{self.info.name} stopped giving frames; is it unplugged, or in use by another program?")

    def close(self) -> None:
        self._capture.release()


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
    return find_again(lost, twins) or choose_camera(lost.path or str(lost.index))


def _open_capture(device: CameraDevice) -> cv2.VideoCapture:
    capture = open_capture(device)
    if not capture.isOpened():
        capture.release()
        raise SourceError(
            f"cannot open camera {device}; {describe_cameras()}; is another program using it, or does the system "
            "forbid it? without a camera, type: nst-live -i test"
        )
    return capture
