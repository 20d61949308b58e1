"""NDI: programs of the same network, e.g. OBS, vMix and Resolume, see what is painted as a source, with its sound."""

from __future__ import annotations

import time
from fractions import Fraction
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np

from realtime.audio.feed import SAMPLE_RATE, AudioQueue
from realtime.frames import Frame, Pixels, Size
from realtime.sinks.virtual_camera import VirtualCameraError

DEFAULT_NAME = "nst-live"
# While no frame comes the last one is sent again, for those who join.
REPEAT_S = 0.2
# Sound is sent in blocks of 20 ms: cyndilib mistakes the second channel of a block that is shorter than the longest.
_BLOCK = SAMPLE_RATE // 50
_COUNT_EVERY_S = 1.0


class NdiError(VirtualCameraError):
    """There is no NDI here."""


class NdiSource:
    """A sink that other programs see as an NDI source. A context manager; a SinkQueue writes into it.

    The colours are RGB of 8 bits, which NDI itself converts as its receivers expect: by BT.601 up to standard
    definition, and by BT.709 above.

    Args:
        size: width and height of the frames; if a side is odd its last line is left out, as NDI halves the colours.
        rate: frames per second.
        name: what it is called in the network; "" for DEFAULT_NAME.
        audio: its sound; None for none.

    `status` is one line with its name and the number of its receivers.

    Raises:
        NdiError: it cannot be opened; the text says what to type or install.
    """

    def __init__(self, size: Size, rate: Fraction, name: str = "", audio: AudioQueue | None = None) -> None:
        self._size = (max(2, size[0] // 2 * 2), max(2, size[1] // 2 * 2))
        self._audio = audio
        self._pixels = np.full((self._size[1], self._size[0], 4), 255, np.uint8)
        self._sender: Any = _open_sender(name or DEFAULT_NAME, self._size, rate, audible=audio is not None)
        self._name = str(self._sender.name)
        self._receivers, self._counted_at_s = 0, 0.0
        self._unsent = np.zeros((2, 0), np.float32)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sender.close()

    @property
    def status(self) -> str:
        """Its name, and how many receivers it has."""
        count = self._receivers
        return f"NDI: {self._name}, " + (
            "1 receiver" if count == 1 else f"{count} receivers" if count else "nobody yet"
        )

    def write(self, pixels: Pixels, frame: Frame) -> None:
        """Sends a frame, H x W x 3 uint8 RGB, and the sound until then."""
        if self._audio is not None:
            self._send_sound(self._audio, frame.captured_at_s)
        cv2.cvtColor(self._fitting(pixels), cv2.COLOR_RGB2RGBA, dst=self._pixels)
        self._sender.write_video_async(self._pixels.ravel())
        now_s = time.monotonic()
        if now_s - self._counted_at_s > _COUNT_EVERY_S:
            self._receivers, self._counted_at_s = self._sender.get_num_connections(0), now_s

    def _send_sound(self, audio: AudioQueue, until_s: float) -> None:
        chunks = audio.take_until(until_s + audio.late_s)
        samples = np.concatenate([self._unsent, *(chunk.samples for chunk in chunks)], axis=1)
        whole = samples.shape[1] // _BLOCK * _BLOCK
        for begin in range(0, whole, _BLOCK):
            self._sender.write_audio(np.ascontiguousarray(samples[:, begin : begin + _BLOCK]))
        self._unsent = samples[:, whole:]

    def _fitting(self, pixels: Pixels) -> Pixels:
        width, height = self._size
        if pixels.shape[0] // 2 * 2 == height and pixels.shape[1] // 2 * 2 == width:
            return np.ascontiguousarray(pixels[:height, :width])
        return np.asarray(cv2.resize(pixels, self._size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _open_sender(name: str, size: Size, rate: Fraction, *, audible: bool) -> Any:
    """Returns what sends frames of a size. Raises NdiError."""
    try:
        from cyndilib.audio_frame import AudioSendFrame
        from cyndilib.sender import Sender
        from cyndilib.video_frame import VideoSendFrame
        from cyndilib.wrapper.ndi_structs import FourCC
    except ImportError as exc:
        raise NdiError(f'NDI needs cyndilib; type: pip install "nst-live[ndi]" ({exc})') from exc
    try:
        # frames come at their own pace, and the queue before this drops what is late
        sender = Sender(name, clock_video=False, clock_audio=False)
        video = VideoSendFrame()
        video.set_resolution(*size)
        video.set_frame_rate(rate)
        video.set_fourcc(FourCC.RGBX)
        sender.set_video_frame(video)
        if audible:
            sound = AudioSendFrame(_BLOCK)
            sound.sample_rate, sound.num_channels = SAMPLE_RATE, 2
            sender.set_audio_frame(sound)
        sender.open()
    except Exception as exc:  # the library raises anything
        reason = " ".join(str(exc).split()).rstrip(".") or type(exc).__name__
        raise NdiError(f"cannot open the NDI source {name}: {reason}") from exc
    return sender
