"""The sound and subtitles of a file, copied beside its painting packet by packet, nothing decoded and nothing lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error

_COPIED_KINDS = ("audio", "subtitle")


class Soundtrack:
    """The streams of an input file that are not its picture, added to an output container.

    `left_out` says what the container cannot hold. Packets are interleaved with the picture: `mux_until` before each
    picture, `mux_rest` at the end.
    """

    def __init__(self, source: Path, output: Any) -> None:
        self._output = output
        self._input: Any = av.open(str(source), metadata_errors="replace")
        self._streams: dict[int, Any] = {}
        left_out = []
        for stream in self._input.streams:
            if stream.type not in _COPIED_KINDS:
                continue
            if stream.codec_context is None or stream.codec_context.name not in output.supported_codecs:
                left_out.append(_describe(stream))
                continue
            self._streams[stream.index] = _copy_of(stream, output)
        self.left_out: Sequence[str] = tuple(left_out)
        for key, value in self._input.metadata.items():
            output.metadata.setdefault(key, value)
        self._packets = self._read()
        self._waiting: deque[tuple[Fraction, Any]] = deque()

    def mux_until(self, time_s: Fraction) -> None:
        """Writes the packets that begin before a time, in seconds of the source."""
        while self._fetch() and self._waiting[0][0] <= time_s:
            self._output.mux(self._waiting.popleft()[1])

    def mux_rest(self) -> None:
        """Writes the packets that are left: sound may last longer than the picture."""
        while self._fetch():
            self._output.mux(self._waiting.popleft()[1])

    def close(self) -> None:
        # in this order: a half-read file whose reading ends after it was closed crashes in FFmpeg
        self._waiting.clear()
        self._packets.close()
        self._input.close()

    def _fetch(self) -> bool:
        """Returns whether there is a next packet, which is then the first one waiting."""
        if not self._waiting:
            self._waiting.extend(item for item in [next(self._packets, None)] if item is not None)
        return bool(self._waiting)

    def _read(self) -> Generator[tuple[Fraction, Any], None, None]:
        if not self._streams:
            return
        try:
            for packet in self._input.demux(*(self._input.streams[index] for index in self._streams)):
                if packet.dts is None:  # the end of a stream
                    continue
                begins_s = packet.dts * packet.time_base
                packet.stream = self._streams[packet.stream.index]
                yield begins_s, packet
        except av.error.FFmpegError:
            # the picture of a damaged file ends here too, and says so
            return


def _copy_of(stream: Any, output: Any) -> Any:
    copy = output.add_stream_from_template(stream)
    copy.metadata.update(stream.metadata)
    copy.disposition = stream.disposition
    return copy


def _describe(stream: Any) -> str:
    codec = stream.codec_context.name if stream.codec_context is not None else "unknown"
    language = stream.metadata.get("language")
    return f"{stream.type} {codec}" + (f" ({language})" if language else "")
