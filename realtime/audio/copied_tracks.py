"""Copies everything but the video from one file to another, packet by packet, without decoding."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

import av
import av.error
from av.bitstream import BitStreamFilterContext
from av.stream import Disposition

from realtime.frames import ClipRange
from realtime.media.decoding import find_video_stream

# Tags that describe the input file itself, or that a muxer writes again.
_FILE_TAGS = ("major_brand", "minor_version", "compatible_brands", "encoder", "duration", "vendor_id")
_MATROSKA = "matroska"


class CopiedTracks:
    """Audio, subtitles, attachments, chapters and tags of an input file, added to an output container.

    Packets are interleaved with the video: call `mux_until` before each frame and `mux_rest` at the end.

    Args:
        clip: the part of the input file whose tracks are copied.
        output: an output container of PyAV that has not been started.
        video: its video stream, which gets the tags of the input's.

    `left_out` says what the container cannot hold, one line each.

    Raises:
        av.error.FFmpegError: the input cannot be opened.
    """

    def __init__(self, clip: ClipRange, output: Any, video: Any) -> None:
        self._clip, self._output = clip, output
        self._input: Any = av.open(str(clip.path), metadata_errors="replace")
        input_video = find_video_stream(self._input)
        self._streams: dict[int, Any] = {}
        self._filters: dict[int, BitStreamFilterContext] = {}
        left_out = []
        for stream in self._input.streams:
            if stream is input_video:
                _keep_tags(stream, video)
            elif _can_hold(output, stream):
                self._keep(stream)
            elif not _is_redundant(stream, self._input):
                left_out.append(
                    f"{_describe(stream)} is left out: {output.format.name} cannot hold it; mkv can hold most"
                )
        self._keep_chapters()
        for key, value in _tags_to_keep(self._input.metadata).items():
            output.metadata.setdefault(key, value)
        self.left_out: Sequence[str] = tuple(left_out)
        self._packets = self._read()
        self._waiting: deque[tuple[Fraction, Any]] = deque()

    def mux_until(self, time_s: Fraction) -> None:
        """Writes the packets that begin at `time_s` (seconds of the clip) or earlier."""
        while self._fetch() and self._waiting[0][0] <= time_s:
            self._output.mux(self._waiting.popleft()[1])

    def mux_rest(self) -> None:
        """Writes the packets that are left: audio may last longer than the video."""
        while self._fetch():
            self._output.mux(self._waiting.popleft()[1])

    def close(self) -> None:
        """Closes the input file."""
        # in this order: FFmpeg crashes if a half-read file is closed before the generator that reads it
        self._waiting.clear()
        self._packets.close()
        self._input.close()

    def _keep(self, stream: Any) -> None:
        name, kind = stream.metadata.get("filename", stream.name or "attachment"), stream.metadata.get("mimetype", "")
        if stream.type == "attachment":
            self._output.add_attachment(name, kind, stream.data)
        elif _is_cover(stream):
            with av.open(str(self._clip.path), metadata_errors="replace") as container:
                packet = next(container.demux(container.streams[stream.index]))
                self._output.add_attachment(name, kind or f"image/{stream.codec_context.name}", bytes(packet))
        else:
            self._streams[stream.index] = copy = self._output.add_stream_from_template(stream, opaque=True)
            _keep_tags(stream, copy)
            if stream.codec_context.name == "aac" and not stream.codec_context.extradata:
                # a broadcast says in every packet how to decode it, a file once
                self._filters[stream.index] = BitStreamFilterContext("aac_adtstoasc", stream)

    def _keep_chapters(self) -> None:
        begin_s, end_s = self._clip.begins_s, self._clip.ends_s
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
        """Returns whether there is a next packet, which is then the first that is waiting."""
        if not self._waiting:
            self._waiting.extend(item for item in [next(self._packets, None)] if item is not None)
        return bool(self._waiting)

    def _read(self) -> Generator[tuple[Fraction, Any], None, None]:
        if not self._streams:
            return
        if self._clip.cut:
            self._input.seek(int(self._clip.begins_s * av.time_base))
        try:
            for packet in self._input.demux(*(self._input.streams[index] for index in self._streams)):
                if packet.dts is None:  # the end of a stream
                    continue
                if self._is_within(packet):
                    yield from self._as_written(packet)
        except av.error.FFmpegError:
            return  # a damaged file ends the video too, which reports it

    def _as_written(self, packet: Any) -> Iterator[tuple[Fraction, Any]]:
        """Yields a packet as it is written, with the time at which it begins, in seconds of the clip."""
        index, tick = packet.stream.index, packet.time_base
        for written in self._filters[index].filter(packet) if index in self._filters else [packet]:
            written.stream, written.time_base = self._streams[index], tick
            yield written.dts * tick, written

    def _is_within(self, packet: Any) -> bool:
        """Moves a packet onto the clock of the clip, and returns whether it lies in the clip."""
        tick, clip = packet.time_base, self._clip
        shift = round(clip.begins_s / tick)
        packet.dts -= shift
        if packet.pts is not None:
            packet.pts -= shift
        begins = packet.dts if packet.pts is None else packet.pts
        if clip.ends_s is not None and begins * tick >= clip.ends_s - clip.begins_s:
            return False
        return begins >= 0 or not clip.cut


def _can_hold(output: Any, stream: Any) -> bool:
    if stream.type == "attachment" or _is_cover(stream):
        # in MP4 that is written in fragments, the cover would become an empty stream
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
    return {key: value for key, value in tags.items() if key.lower() not in _FILE_TAGS}


def _is_redundant(stream: Any, container: Any) -> bool:
    """Returns whether a stream repeats the chapters or a tag of the video, as QuickTime's do."""
    is_chapters = stream.name == "bin_data" and bool(container.chapters())
    return stream.type == "data" and (is_chapters or "timecode" in stream.metadata)


def _describe(stream: Any) -> str:
    codec = stream.codec_context.name if stream.codec_context is not None else "unknown"
    if _is_cover(stream):
        return f"cover {codec}"
    language = stream.metadata.get("language")
    return f"{stream.type} {codec}" + (f" ({language})" if language else "")
