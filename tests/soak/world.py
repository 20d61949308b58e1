"""What the camera and the microphone of a soak do, by the time: the same in every process that looks at the clock."""

from __future__ import annotations

import time

import cv2
import numpy as np

from realtime.frames import Pixels, Size

NAME = "Soak camera"
SIZE, SMALL_SIZE = (160, 120), (120, 90)
FPS, DARK_FPS = 20.0, 10.0
# Every two seconds of the system's steady clock something flashes and beeps.
CLAP_EVERY_S, CLAP_S = 2.0, 0.2
# The clock of the microphone goes faster than ours by this share.
DRIFT = 200e-6
# What the camera does in each minute after the first quarter of it: from, to, in seconds.
_HICCUP, _REFUSES, _AWAY, _SMALL, _DARK = (16, 16.4), (22, 22.3), (28, 32), (40, 46), (48, 56)


def claps(now_s: float) -> bool:
    """Returns whether there is a flash and a beep at a time of the steady clock, in seconds."""
    return now_s % CLAP_EVERY_S < CLAP_S


class Camera:
    """The camera, by the seconds since the show began."""

    def __init__(self, began_s: float) -> None:
        self._began_s = began_s

    def _is(self, what: tuple[float, float]) -> bool:
        return what[0] <= (time.monotonic() - self._began_s) % 60 < what[1]

    @property
    def node(self) -> int | None:
        """Its number, another one each time it is plugged in again; None while it is away."""
        minutes, seconds = divmod(time.monotonic() - self._began_s, 60)
        return None if self._is(_AWAY) else 2 * (int(minutes) + (seconds >= _AWAY[1])) % 8

    def read(self) -> Pixels | None:
        """Waits for the next frame and returns it, H x W x 3 uint8 BGR; None if the driver refuses."""
        if self.node is None or self._is(_REFUSES):
            return None
        fps = DARK_FPS if self._is(_DARK) else FPS
        pause_s = 1 / fps - time.monotonic() % (1 / fps)
        time.sleep(pause_s + (0.4 if self._is(_HICCUP) else 0))
        return _scene(time.monotonic(), SMALL_SIZE if self._is(_SMALL) else SIZE)


def _scene(now_s: float, size: Size) -> Pixels:
    width, height = size
    if claps(now_s):
        return np.full((height, width, 3), 255, np.uint8)
    ramp = np.tile(np.linspace(20, 120, width, dtype=np.uint8), (height, 1))
    pixels = cv2.merge([ramp, ramp[:, ::-1], np.roll(ramp, int(now_s * 20) % width, axis=1)])
    place = (int(width * (0.5 + 0.3 * np.sin(now_s))), height // 2)
    return np.asarray(cv2.circle(pixels, place, height // 5, (60, 90, 30), -1), dtype=np.uint8)
