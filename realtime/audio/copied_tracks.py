"""Copies everything but the video from one file to another, packet by packet, without decoding."""

from __future__ import annotations

import io
import re
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import islice
from typing import Any

import av
import av.error
from av.bitstream import BitStreamFilterContext
from av.stream import Disposition

from realtime.frames import ClipRange
from realtime.media.continuous_clock import ContinuousClock
from realtime.media.decoding import demuxed, find_video_stream, has_free_clock, open_clip, reason_of, timed_streams

# Tags that describe the input file itself, or that a muxer writes again.
_FILE_TAGS = ("major_brand", "minor_version", "compatible_brands", "encoder", "duration", "vendor_id")
# Tags by which mkvmerge says how large a stream is, with or without a language behind them: painted, it has another
# size.
_STATISTICS = re.compile(r"(_STATISTICS_\w+|BPS|NUMBER_OF_BYTES|NUMBER_OF_FRAMES)(-\w+)?", re.IGNORECASE)
_KEYED_TAGS = ("com.apple.", "com.android.")
_MATROSKA = "matroska"
_MPEG_TS = "mpegts"
# FFmpeg's muxer does not say what it holds: it takes anything, and what has no number in ISO 13818-1 cannot be played.
_HELD_BY_TRANSPORT_STREAMS = frozenset(
    {"aac", "aac_latm", "mp2", "mp3", "ac3", "eac3", "dts", "truehd", "opus", "dvb_subtitle", "dvb_teletext"}
    | {"hdmv_pgs_subtitle"}
)
# What players expect of a cover, by the name of its codec.
_COVER_KINDS = {"mjpeg": "image/jpeg"}
_COVER_SUFFIXES = {"mjpeg": "jpg"}
# Reading gives up after this many failures; there may be more behind a damaged place.
_MAX_BAD_READS = 16
# A broadcast says in every packet of AAC how to decode it, a file once.
_ADTS_FILTER = "aac_adtstoasc"
# What channels are that are only counted.
_USUAL_LAYOUTS = {"1 channels": "mono", "2 channels": "stereo"}
# What a muxer thinks of a track it says when it is given a packet. Some tracks begin late, and are not waited for.
_MOST_PACKETS_TRIED = 100


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
        self._input: Any = open_clip(clip)
        input_video = find_video_stream(self._input)
        self._streams: dict[int, Any] = {}
        self._filters: dict[int, BitStreamFilterContext] = {}
        self._last_dts: dict[int, int] = {}
        self._damaged: dict[str, tuple[int, str]] = {}
        left_out = []
        first_packets = _first_packets(clip)
        for stream in self._input.streams:
            if stream is input_video:
                _keep_tags(stream, video)
            elif _can_hold(output, stream) and _takes(output, stream, first_packets.get(stream.index, ())):
                self._keep(stream)
            elif not _is_redundant(stream, self._input):
                hint = "" if output.format.name == _MATROSKA else "; mkv can hold most"
                left_out.append(f"{_describe(stream)} is left out: {output.format.name} cannot hold it{hint}")
        self._keep_chapters()
        for key, value in _tags_to_keep(self._input.metadata).items():
            output.metadata.setdefault(key, value)
        self.left_out: Sequence[str] = tuple(left_out)
        self._packets = self._read()
        self._waiting: deque[tuple[Fraction, Any]] = deque()

    @property
    def damage(self) -> Sequence[str]:
        """What was lost while it was copied, one line each."""
        return [
            f"{count} damaged packet{'s' if count > 1 else ''} of {track} left out ({reason})"
            for track, (count, reason) in self._damaged.items()
        ]

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
        name, kind = stream.metadata.get("filename", "attachment"), stream.metadata.get("mimetype", "")
        if stream.type == "attachment":
            self._output.add_attachment(name, kind, stream.data)
        elif _is_cover(stream):
            with open_clip(self._clip) as container:
                packet = next(demuxed(container, container.streams[stream.index]))
                codec = stream.codec_context.name
            kind = kind or _COVER_KINDS.get(codec, f"image/{codec}")
            name = stream.metadata.get("filename", f"cover.{_COVER_SUFFIXES.get(codec, codec)}")
            self._output.add_attachment(name, kind, bytes(packet))
        else:
            self._streams[stream.index] = copy = _add_copy(self._output, stream)
            _keep_tags(stream, copy)
            if (bitstream_filter := _filter_for(stream)) is not None:
                self._filters[stream.index] = bitstream_filter

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
        free = has_free_clock(self._input)
        # a clock that begins again has the same time twice, so there is no seeking by it
        if self._clip.cut and not free:
            with suppress(av.error.FFmpegError):
                self._input.seek(int(self._clip.begins_s * av.time_base))
        clock = ContinuousClock(closes_gaps=free)
        for packet in self._demuxed():
            if packet.dts is None:  # the end of a stream, or no time at all
                continue
            clock.move(packet)
            if packet.stream.index in self._streams and self._is_within(packet):
                yield from self._as_written(packet)

    def _demuxed(self) -> Iterator[Any]:
        """Yields the packets of all tracks by which the clock is kept, and continues behind damaged places."""
        kept = [self._input.streams[index] for index in self._streams]
        streams = {stream.index: stream for stream in (*kept, *timed_streams(self._input))}
        for _ in range(_MAX_BAD_READS):
            try:
                yield from demuxed(self._input, *streams.values())
                return
            except av.error.FFmpegError:
                continue  # a damaged file ends the video too, which reports it

    def _as_written(self, packet: Any) -> Iterator[tuple[Fraction, Any]]:
        """Yields a packet as it is written, with the time at which it begins, in seconds of the clip."""
        index, tick = packet.stream.index, packet.time_base
        for written in self._filtered(packet):
            written.stream, written.time_base = self._streams[index], tick
            # no muxer goes back in time, and few stand still
            last = self._last_dts.get(index)
            if last is not None and written.dts <= last:
                written.dts = last + 1
                written.pts = None if written.pts is None else max(written.pts, written.dts)
            self._last_dts[index] = written.dts
            yield written.dts * tick, written

    def _filtered(self, packet: Any) -> Sequence[Any]:
        index, described = packet.stream.index, _describe(packet.stream)
        try:
            return _through(self._filters.get(index), packet)
        except av.error.FFmpegError as exc:
            # a damaged packet: those behind it are whole
            self._damaged[described] = (self._damaged.get(described, (0, ""))[0] + 1, reason_of(exc))
            self._filters[index] = BitStreamFilterContext(_ADTS_FILTER, self._input.streams[index])
            return []

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


def has_keyed_tags(clip: ClipRange) -> bool:
    """Returns whether a file has tags that MP4 and QuickTime hold only by their full names, as telephones write."""
    try:
        with open_clip(clip) as container:
            return any(key.startswith(_KEYED_TAGS) for key in container.metadata)
    except (av.error.FFmpegError, OSError):
        return False


def _can_hold(output: Any, stream: Any) -> bool:
    if stream.type == "attachment" or _is_cover(stream):
        # in MP4 that is written in fragments, the cover would become an empty stream
        return bool(output.format.name == _MATROSKA)
    if stream.type not in {"audio", "subtitle", "video"} or stream.codec_context is None:
        return False
    held = _HELD_BY_TRANSPORT_STREAMS if output.format.name == _MPEG_TS else output.supported_codecs
    return stream.codec_context.name in held


def _first_packets(clip: ClipRange) -> Mapping[int, Sequence[Any]]:
    """Returns the first packet of each track of audio and subtitles that begins early, by the index of the track."""
    found: dict[int, list[Any]] = {}
    with open_clip(clip) as container, suppress(av.error.FFmpegError):
        streams = (*container.streams.audio, *container.streams.subtitles)
        for packet in islice(demuxed(container, *streams), _MOST_PACKETS_TRIED if streams else 0):
            if packet.dts is not None:
                found.setdefault(packet.stream.index, [packet])
            if len(found) == len(streams):
                break
    return found


def _takes(output: Any, stream: Any, packets: Sequence[Any]) -> bool:
    """Returns whether the muxer itself takes a stream: what it holds depends on more than the codec's name.

    Args:
        output: the container that is asked for.
        stream: the stream of the input.
        packets: some of its packets; used up.
    """
    if stream.type not in {"audio", "subtitle"}:
        return True
    try:
        with av.open(io.BytesIO(), "w", format=output.format.name, options=output.options) as trial:
            copy, bitstream_filter = _add_copy(trial, stream), _filter_for(stream)
            trial.start_encoding()
            # a packet that is damaged says nothing about those behind it
            with suppress(av.error.InvalidDataError):
                packets = [each for packet in packets for each in _through(bitstream_filter, packet)]
            for written in packets:
                written.stream = copy
                trial.mux(written)
    except (av.error.FFmpegError, ValueError, OSError):
        return False
    return True


def _add_copy(output: Any, stream: Any) -> Any:
    """Returns a new stream of a container for the packets of another one."""
    copy = output.add_stream_from_template(stream, opaque=True)
    if stream.type == "audio" and (layout := _USUAL_LAYOUTS.get(stream.codec_context.layout.name)):
        copy.codec_context.layout = layout
    return copy


def _through(bitstream_filter: BitStreamFilterContext | None, packet: Any) -> Sequence[Any]:
    return [packet] if bitstream_filter is None else bitstream_filter.filter(packet)


def _filter_for(stream: Any) -> BitStreamFilterContext | None:
    """Returns what makes packets of a broadcast those of a file, None if they need nothing."""
    if stream.codec_context.name == "aac" and not stream.codec_context.extradata:
        return BitStreamFilterContext(_ADTS_FILTER, stream)
    return None


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)


def _keep_tags(stream: Any, copy: Any) -> None:
    copy.metadata.update(_tags_to_keep(stream.metadata))
    copy.disposition = stream.disposition


def _tags_to_keep(tags: Mapping[str, str]) -> dict[str, str]:
    return {
        key: value for key, value in tags.items() if key.lower() not in _FILE_TAGS and not _STATISTICS.fullmatch(key)
    }


def _is_redundant(stream: Any, container: Any) -> bool:
    """Returns whether a stream repeats the chapters or a tag of the video, as QuickTime's do."""
    is_chapters = getattr(stream, "name", None) == "bin_data" and bool(container.chapters())
    return stream.type == "data" and (is_chapters or "timecode" in stream.metadata)


def _describe(stream: Any) -> str:
    codec = stream.codec_context.name if stream.codec_context is not None else "unknown"
    if _is_cover(stream):
        return f"cover {codec}"
    language = stream.metadata.get("language")
    return f"{stream.type} {codec}" + (f" ({language})" if language else "")
