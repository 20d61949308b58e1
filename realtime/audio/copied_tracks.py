"""All that a file holds beside its picture, copied packet by packet: nothing is decoded, nothing lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

import av
import av.error
from av.bitstream import BitStreamFilterContext
from av.stream import Disposition

from realtime.media.decoding import find_picture_stream
from realtime.sources.base import ClipRange

# They describe the file that was read, or are counted anew by whoever writes one.
_OWN_OF_FILES = ("major_brand", "minor_version", "compatible_brands", "encoder", "duration", "vendor_id")
_MATROSKA = "matroska"


class CopiedTracks:
    """The streams of an input file that are not its picture, its chapters and its tags, added to an output container.

    `left_out` says what the container cannot hold. Packets are interleaved with the picture: `mux_until` before each
    picture, `mux_rest` at the end; times are those of the part of the file that is painted.
    """

    def __init__(self, source: ClipRange, output: Any, picture: Any) -> None:
        self._part, self._output = source, output
        self._input: Any = av.open(str(source.path), metadata_errors="replace")
        painted = find_picture_stream(self._input)
        self._streams: dict[int, Any] = {}
        self._filters: dict[int, BitStreamFilterContext] = {}
        left_out = []
        for stream in self._input.streams:
            if stream is painted:
                _keep_tags(stream, picture)
            elif _can_hold(output, stream):
                self._keep(stream)
            elif not _is_told_elsewhere(stream, self._input):
                left_out.append(f"{_describe(stream)} is left out: {output.format.name} cannot hold it; mkv holds most")
        self._keep_chapters()
        for key, value in _tags_to_keep(self._input.metadata).items():
            output.metadata.setdefault(key, value)
        self.left_out: Sequence[str] = tuple(left_out)
        self._packets = self._read()
        self._waiting: deque[tuple[Fraction, Any]] = deque()

    def mux_until(self, time_s: Fraction) -> None:
        """Writes the packets that begin before a time, in seconds of the part."""
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

    def _keep(self, stream: Any) -> None:
        name, kind = stream.metadata.get("filename", stream.name or "attachment"), stream.metadata.get("mimetype", "")
        if stream.type == "attachment":
            self._output.add_attachment(name, kind, stream.data)
        elif _is_cover(stream):
            with av.open(str(self._part.path), metadata_errors="replace") as container:
                packet = next(container.demux(container.streams[stream.index]))
                self._output.add_attachment(name, kind or f"image/{stream.codec_context.name}", bytes(packet))
        else:
            self._streams[stream.index] = copy = self._output.add_stream_from_template(stream, opaque=True)
            _keep_tags(stream, copy)
            if stream.codec_context.name == "aac" and not stream.codec_context.extradata:
                # a broadcast tells how to decode it in every packet, a file once
                self._filters[stream.index] = BitStreamFilterContext("aac_adtstoasc", stream)

    def _keep_chapters(self) -> None:
        begin_s, end_s = self._part.begins_s, self._part.ends_s
        kept = []
        for chapter in self._input.chapters():
            tick = chapter["time_base"] or Fraction(1, av.time_base)
            first, last = round(begin_s / tick), None if end_s is None else round(end_s / tick)
            if chapter["end"] > first and (last is None or chapter["start"] < last):
                end = chapter["end"] if last is None else min(chapter["end"], last)
                kept.append({**chapter, "start": max(0, chapter["start"] - first), "end": end - first})
        if kept:
            self._output.set_chapters(kept)

    def _fetch(self) -> bool:
        """Returns whether there is a next packet, which is then the first one waiting."""
        if not self._waiting:
            self._waiting.extend(item for item in [next(self._packets, None)] if item is not None)
        return bool(self._waiting)

    def _read(self) -> Generator[tuple[Fraction, Any], None, None]:
        if not self._streams:
            return
        if self._part.cut:
            self._input.seek(int(self._part.begins_s * av.time_base))
        try:
            for packet in self._input.demux(*(self._input.streams[index] for index in self._streams)):
                if packet.dts is None:  # the end of a stream
                    continue
                if self._is_within(packet):
                    yield from self._as_written(packet)
        except av.error.FFmpegError:
            # the picture of a damaged file ends here too, and says so
            return

    def _as_written(self, packet: Any) -> Iterator[tuple[Fraction, Any]]:
        """Yields a packet as the output has it, with the time when it begins, in s."""
        index, tick = packet.stream.index, packet.time_base
        for written in self._filters[index].filter(packet) if index in self._filters else [packet]:
            written.stream, written.time_base = self._streams[index], tick
            yield written.dts * tick, written

    def _is_within(self, packet: Any) -> bool:
        """Returns whether a packet lies in the part, and moves it onto the part's clock."""
        tick, part = packet.time_base, self._part
        shift = round(part.begins_s / tick)
        packet.dts -= shift
        if packet.pts is not None:
            packet.pts -= shift
        begins = packet.dts if packet.pts is None else packet.pts
        if part.ends_s is not None and begins * tick >= part.ends_s - part.begins_s:
            return False
        return begins >= 0 or not part.cut


def _can_hold(output: Any, stream: Any) -> bool:
    if stream.type == "attachment" or _is_cover(stream):
        # MP4 written in fragments would have an empty stream beside the cover
        return bool(output.format.name == _MATROSKA)
    if stream.type not in {"audio", "subtitle", "video"} or stream.codec_context is None:
        return False
    return stream.codec_context.name in output.supported_codecs


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)


def _keep_tags(stream: Any, copy: Any) -> None:
    copy.metadata.update(_tags_to_keep(stream.metadata))
    copy.disposition = stream.disposition


def _tags_to_keep(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if key.lower() not in _OWN_OF_FILES}


def _is_told_elsewhere(stream: Any, container: Any) -> bool:
    """Returns whether a stream repeats what is kept as chapters or as a tag of the picture, as QuickTime has them."""
    is_chapters = stream.name == "bin_data" and bool(container.chapters())
    return stream.type == "data" and (is_chapters or "timecode" in stream.metadata)


def _describe(stream: Any) -> str:
    codec = stream.codec_context.name if stream.codec_context is not None else "unknown"
    if _is_cover(stream):
        return f"cover {codec}"
    language = stream.metadata.get("language")
    return f"{stream.type} {codec}" + (f" ({language})" if language else "")
