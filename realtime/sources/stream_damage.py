"""Which pictures of a live stream are whole: after a loss none is, until the next key picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import av.error

from realtime.media.h264 import FrameNumbers

# A stream in which no key picture comes for so long renews itself bit by bit, and is shown again.
_NO_KEY_S = 10.0
_START_CODES = (b"\0\0\1", b"\0\0\0\1")


class WholePictures:
    """Decodes the packets of one video stream, and leaves out the pictures that are damaged.

    Args:
        video: the stream, of PyAV.
    """

    def __init__(self, video: Any) -> None:
        context = video.codec_context
        headers = bytes(context.extradata or b"")
        # in files, and in what is sent like one, pictures have no start codes, and none is lost on the way
        has_codes = context.name == "h264" and not headers.startswith(b"\1")
        self._numbers = FrameNumbers(headers) if has_codes else None
        self._damaged = False
        # when a key picture came, or the damage began
        self._hope_s = 0.0

    def decode(self, packet: Any, now_s: float) -> Sequence[Any]:
        """Returns the whole pictures in a packet.

        Args:
            packet: the next one of the stream, of PyAV.
            now_s: the monotonic time, in seconds.
        """
        damaged = packet.is_corrupt or self._lacks_some(packet)
        if packet.is_keyframe:
            self._hope_s = now_s
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            frames, damaged = (), True
        if damaged:
            self.lose(now_s)
        return [frame for frame in frames if self._is_whole(frame, damaged, now_s)]

    def lose(self, now_s: float) -> None:
        """Notes that something is missing."""
        self._hope_s = self._hope_s if self._damaged else now_s
        self._damaged = True

    def _is_whole(self, frame: Any, damaged: bool, now_s: float) -> bool:
        if frame.is_corrupt:
            self.lose(now_s)
        elif (frame.key_frame and not damaged) or now_s - self._hope_s > _NO_KEY_S:
            self._damaged = False
        return not self._damaged

    def _lacks_some(self, packet: Any) -> bool:
        """Returns whether a picture is missing before a packet, or the beginning of the packet itself."""
        # the last packet is empty, and makes the decoder give what it still holds
        if self._numbers is None or not packet.size:
            return False
        data = bytes(packet)
        return self._numbers.is_gap(data) or not data.startswith(_START_CODES)
