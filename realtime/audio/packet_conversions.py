"""What packets of sound go through on their way from one container to another, if they cannot be copied as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import av
import av.error
from av.bitstream import BitStreamFilterContext

# A broadcast says in every packet of AAC how to decode it, a file once.
_ADTS_FILTER = "aac_adtstoasc"
# What channels are that are only counted.
_USUAL_LAYOUTS = {"1 channels": "mono", "2 channels": "stereo"}
_PCM = "pcm_s16le"


# What each packet of a codec begins with; MP4 refuses others, some of them only when the file is finished.
_SYNC_WORDS = dict.fromkeys(("ac3", "eac3"), b"\x0b\x77")


class DamagedPacketError(ValueError):
    """A packet is not what it should be."""


class PacketConversion(Protocol):
    """Turns packets into others."""

    def filter(self, packet: Any | None) -> Sequence[Any]:
        """Returns what becomes of a packet; of None, what is left.

        Raises:
            av.error.FFmpegError: it is damaged.
            DamagedPacketError: it is damaged.
        """


@dataclass(frozen=True)
class _Checked:
    """Lets pass what begins as it must."""

    codec: str

    def filter(self, packet: Any | None) -> Sequence[Any]:
        if packet is None:
            return []
        if not bytes(packet).startswith(_SYNC_WORDS[self.codec]):
            raise DamagedPacketError(f"not {self.codec}")
        return [packet]


class _ToPcm:
    """Decodes sound.

    Args:
        source: the stream of the input.
        copy: a stream of PCM.
    """

    def __init__(self, source: Any, copy: Any) -> None:
        self._source, self._copy = source, copy
        self._resampler = av.AudioResampler("s16", copy.layout, copy.rate)
        # when the next frame is due, in seconds
        self._due_s = Fraction(0)

    def filter(self, packet: Any | None) -> Sequence[Any]:
        if packet is None:
            packet = av.Packet()
            packet.stream = self._source
        return list(self._encoded(packet))

    def _encoded(self, packet: Any) -> Iterator[Any]:
        for frame in packet.decode():
            if frame.pts is None:
                frame.time_base = self._source.time_base
                frame.pts = round(self._due_s / frame.time_base)
            self._due_s = frame.pts * frame.time_base + Fraction(frame.samples, frame.sample_rate)
            for resampled in self._resampler.resample(frame):
                yield from self._copy.encode(resampled)


def add_copy(output: Any, stream: Any) -> Any:
    """Returns a new stream of a container for the packets of another one."""
    copy = output.add_stream_from_template(stream, opaque=True)
    if stream.type == "audio":
        layout = _usual_layout(stream)
        if layout != stream.codec_context.layout.name:
            copy.codec_context.layout = layout
    return copy


def add_pcm(output: Any, stream: Any) -> tuple[Any, PacketConversion]:
    """Returns a new stream of PCM for the sound of another one, and what its packets go through."""
    copy = output.add_stream(_PCM, rate=stream.rate, layout=_usual_layout(stream))
    return copy, _ToPcm(stream, copy)


def conversion_for(stream: Any) -> PacketConversion | None:
    """Returns what packets go through before they are written into a file, None if they need nothing."""
    if stream.codec_context.name in _SYNC_WORDS:
        return _Checked(stream.codec_context.name)
    if stream.codec_context.name == "aac" and not stream.codec_context.extradata:
        return BitStreamFilterContext(_ADTS_FILTER, stream)
    return None


def _usual_layout(stream: Any) -> str:
    name: str = stream.codec_context.layout.name
    return _USUAL_LAYOUTS.get(name, name)
