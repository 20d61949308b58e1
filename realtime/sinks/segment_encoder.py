"""Encodes a few seconds of a video by themselves: the encoder starts again, and its packets stay in memory."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import av
import av.error

from realtime.frames import Frame, Pixels
from realtime.media.encoders import CONTAINERS, Encoding, encoder_for
from realtime.media.video_encoder import Packet, VideoTrack
from realtime.sinks.recorder import RecordingError, open_video_encoder

# A segment lasts two groups of pictures, but of large frames no more than fit into memory once encoded.
_SEGMENT_S = 4
_SEGMENT_PIXELS = 250_000_000
_FEWEST_FRAMES = 8


def segment_length(track: VideoTrack) -> int:
    """Returns how many frames a segment has."""
    fitting = _SEGMENT_PIXELS // (track.size[0] * track.size[1])
    return max(_FEWEST_FRAMES, min(round(_SEGMENT_S * track.rate), fitting))


class SegmentEncoder:
    """Encodes frames exactly as a FileRecorder does, but keeps the packets in memory.

    Args:
        path: the file that the packets end up in.
        track: the frames.
        encoding: how they are encoded.
        after_pts: the time of the frame before the first, in ticks; None if there is none.

    `packets` are those that are ready, in order of decoding; `frame_count` counts the frames that were written.
    """

    def __init__(self, path: Path, track: VideoTrack, encoding: Encoding, after_pts: int | None) -> None:
        self.packets: list[Packet] = []
        self.frame_count = 0
        self._path = path
        # never read; of all containers it is the one that takes every encoder
        self._container: Any = av.open(io.BytesIO(), "w", format="matroska")
        name, settings = encoder_for(path, encoding), CONTAINERS[path.suffix.lower()]
        self._video = open_video_encoder(self._container, name, track, encoding, settings)
        self._video.last_pts = after_pts
        self._container.start_encoding()

    @property
    def last_pts(self) -> int | None:
        """The time of the last frame, in ticks; None if there is none."""
        return self._video.last_pts

    def write(self, pixels: Pixels, frame: Frame) -> None:
        """Adds a frame.

        Args:
            pixels: H x W x 3 uint8 RGB.
            frame: the frame that they were painted from, which has their time.

        Raises:
            RecordingError: the encoder fails.
        """
        try:
            self.packets.extend(self._video.encode(pixels, frame))
        except av.error.FFmpegError as exc:
            raise RecordingError(f"encoding {self._path} stopped after {self.frame_count} frames: {exc}") from exc
        self.frame_count += 1

    def close(self) -> None:
        """Encodes what the encoder still holds."""
        self.packets.extend(self._video.flush())
        self._container.close()

    def abandon(self) -> None:
        """Gives back what it holds."""
        with contextlib.suppress(av.error.FFmpegError, OSError):
            self._container.close()
