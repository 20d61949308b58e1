"""Frames in, packets out: the video stream of a container that is being written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import av
from av.video.frame import PictureType

from realtime.frames import Frame, Pixels, Presentation, Size
from realtime.media.color import FromRgb, encoded_format
from realtime.media.encoders import ENCODERS, Encoding, add_encoder, encoder_options
from realtime.media.rates import LIVE_TIME_BASE

# a packet of any stream
Packet: TypeAlias = "av.Packet[Any]"
# One tick of the clock of streams and replays, in seconds: servers and players count in milliseconds.
MILLISECOND = Fraction(1, 1000)
# Key frames that come by time come sooner than by this many times their number; some encoders only count.
_BY_TIME = 10


@dataclass(frozen=True)
class VideoTrack:
    """The frames that are to be encoded.

    Args:
        size: width and height.
        rate: frames per second.
        time_base: one tick of the clock on which they are stamped, in seconds.
        live: whether they are stamped with the time of their capture, 0 for the first. Otherwise they keep their own
            timestamps, and those without one follow from index and rate.
        presentation: how they are to be shown.
    """

    size: Size
    rate: Fraction
    time_base: Fraction = LIVE_TIME_BASE
    live: bool = False
    presentation: Presentation = Presentation()  # noqa: RUF009 - frozen


class VideoEncoder:
    """Encodes frames into packets of a new stream of a container, which it neither opens nor writes.

    Args:
        container: an output container of PyAV that has not been started.
        name: a name in ENCODERS.
        track: the frames.
        encoding: quality, preset and latency.
        key_every_s: time between key frames, in seconds. What is live keeps to it whatever its rate is at the moment;
            otherwise frames are counted.

    `stream` is PyAV's stream, `format` what the encoder is given, `last_pts` the time of the last frame in ticks.

    Raises:
        EncoderUnavailableError: the FFmpeg here lacks the encoder.
    """

    def __init__(
        self,
        container: Any,
        name: str,
        track: VideoTrack,
        encoding: Encoding,
        *,
        key_every_s: float = 2.0,
    ) -> None:
        self.format = encoded_format(ENCODERS[name], track.size, track.presentation)
        self.last_pts: int | None = None
        self._track = track
        self._started_at_s: float | None = None
        self._durations: dict[int, int] = {}
        self._from_rgb = FromRgb(self.format)
        self.stream = add_encoder(container, name, track.rate, encoder_options(name, encoding, track.rate))
        self.stream.width, self.stream.height = self.format.size
        self.stream.pix_fmt = self.format.pixel_format
        context = self.stream.codec_context
        context.time_base = track.time_base
        self._key_every, self._next_key = round(Fraction(key_every_s) / track.time_base), 0
        context.gop_size = max(1, round(key_every_s * track.rate)) * (_BY_TIME if track.live else 1)
        if encoding.low_latency:
            context.max_b_frames = 0
        context.color_range, context.colorspace = self.format.range, self.format.matrix
        context.color_primaries, context.color_trc = self.format.primaries, self.format.transfer

    def encode(self, pixels: Pixels, frame: Frame) -> Sequence[Packet]:
        """Returns the packets that are ready once another frame has been added.

        Args:
            pixels: H x W x 3 uint8 RGB.
            frame: the frame that they were painted from, which has their time.
        """
        video_frame = self._from_rgb(pixels)
        video_frame.time_base = self._track.time_base
        video_frame.pts = self.last_pts = self.pts_of(frame)
        video_frame.duration = max(1, round((frame.duration or 1 / self._track.rate) / self._track.time_base))
        if self._track.live and self.last_pts >= self._next_key:
            video_frame.pict_type, self._next_key = PictureType.I, self.last_pts + self._key_every
        self._durations[video_frame.pts] = video_frame.duration
        return self._packets(video_frame)

    def flush(self) -> Sequence[Packet]:
        """Returns the packets that the encoder still holds; no frame can be added afterwards."""
        return self._packets(None)

    def _packets(self, video_frame: av.VideoFrame | None) -> Sequence[Packet]:
        packets: Sequence[Packet] = self.stream.encode(video_frame)
        for packet in packets:
            # not every encoder passes durations on, and without the last one a file ends too early
            if packet.pts in self._durations:
                packet.duration = self._durations.pop(packet.pts)
        return packets

    def pts_of(self, frame: Frame) -> int:
        """Returns the time in ticks that a frame gets if it is the next one."""
        if self._track.live:
            if self._started_at_s is None:
                self._started_at_s = frame.captured_at_s
            time_s = Fraction(frame.captured_at_s - self._started_at_s)
        else:
            time_s = frame.time if frame.time is not None else frame.index / self._track.rate
        pts = round(time_s / self._track.time_base)
        # two frames cannot share a tick, and no encoder goes back in time
        return pts if self.last_pts is None else max(pts, self.last_pts + 1)
