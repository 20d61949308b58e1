"""OpenCV's capture of a camera, in a thread of its own: a driver may block for as long as it likes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.frames import Size
from realtime.sources.camera_list import Mode, request_mode

# H x W x 3 uint8 BGR, as OpenCV gives it.
CapturedPixels = NDArray[np.uint8]

# A read that fails sooner was refused; one that fails later has waited for a frame in vain.
_REFUSED_WITHIN_S = 0.5
# A camera may drop a frame now and then; one whose reads are refused for so long is gone.
_GONE_AFTER_S = 1.0
_PAUSE_S = 0.01
# How long closing waits for a read to return; OpenCV gives up a read of Linux's after 2 seconds.
_CLOSE_TIMEOUT_S = 2.5


class CameraThread:
    """Opens a camera, reads it and releases it, all in one thread, which nobody else waits for without a time limit.

    If the driver blocks, the thread is left behind; it releases the camera when the driver returns, and never while a
    read goes on.

    Args:
        open_capture: opens the camera and returns OpenCV's capture.
        size: width and height to ask for.
        fps: frames per second to ask for; 0 for the camera's own.
    """

    def __init__(self, open_capture: Callable[[], Any], size: Size, fps: float = 0.0) -> None:
        self._open_capture, self._size, self._fps = open_capture, size, fps
        self._changed = threading.Condition()
        self._mode: Mode | None = None
        self._frame: tuple[CapturedPixels, float] | None = None
        self._leaving = self._ended = False
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()

    def mode(self, timeout_s: float) -> Mode | None:
        """Returns what the camera gives, once it is open; None if it cannot be opened.

        Args:
            timeout_s: how long to wait, in seconds.

        Raises:
            TimeoutError: the driver does not answer in time.
        """
        if not self._wait_for(lambda: self._mode is not None or self._ended, timeout_s):
            raise TimeoutError
        return self._mode

    def take(self, timeout_s: float) -> tuple[CapturedPixels, float] | None:
        """Returns the next frame and when it was captured, on the monotonic clock, in seconds.

        Args:
            timeout_s: how long to wait, in seconds.

        Returns None if no frame came in time, if the camera gives none any more, or after `stop`.
        """
        self._wait_for(lambda: self._frame is not None or self._ended or self._leaving, timeout_s)
        with self._changed:
            frame, self._frame = self._frame, None
            self._changed.notify_all()
        return frame

    def stop(self) -> None:
        """Ends the thread after the read that goes on; called from any thread."""
        with self._changed:
            self._leaving = True
            self._changed.notify_all()

    def close(self) -> None:
        """Stops, and waits for a moment until the camera is released."""
        self.stop()
        self._thread.join(_CLOSE_TIMEOUT_S)

    def _wait_for(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Returns whether a condition has come true in time. Ctrl-C is heard meanwhile, on Windows too."""
        give_up_at_s = time.monotonic() + timeout_s
        with self._changed:
            while not condition():
                left_s = give_up_at_s - time.monotonic()
                if left_s <= 0:
                    return False
                self._changed.wait(min(left_s, 0.25))
        return True

    def _run(self) -> None:
        capture = None
        try:
            capture = self._open_capture()
            if capture.isOpened() and not self._leaving:
                mode = request_mode(capture, self._size, self._fps)
                with self._changed:
                    self._mode = mode
                    self._changed.notify_all()
                self._read_all(capture)
        except cv2.error:  # a driver that fails in this way gives no frames either
            pass
        finally:
            if capture is not None:
                capture.release()
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _read_all(self, capture: Any) -> None:
        refused_since_s: float | None = None
        while not self._leaving:
            began_s = time.monotonic()
            good, bgr = capture.read()
            now_s = time.monotonic()
            if good and bgr is not None and bgr.size:
                refused_since_s = None
                self._hand_over(bgr, now_s)
            elif now_s - began_s < _REFUSED_WITHIN_S:
                refused_since_s = began_s if refused_since_s is None else refused_since_s
                if now_s - refused_since_s > _GONE_AFTER_S:
                    return
                time.sleep(_PAUSE_S)

    def _hand_over(self, bgr: CapturedPixels, captured_at_s: float) -> None:
        """Waits until the frame before this one is taken: what reads a live source never lets one wait."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame is None or self._leaving)
            self._frame = (bgr, captured_at_s)
            self._changed.notify_all()
