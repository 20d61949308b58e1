"""Copies everything but the video from one file to another, packet by packet, without decoding."""

from __future__ import annotations

import io
import re
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import Any

import av
import av.error
from av.stream import Disposition

from realtime.audio.packet_conversions import DamagedPacketError, PacketConversion, add_copy, add_pcm, conversion_for
from realtime.frames import ClipRange
from realtime.media.continuous_clock import clock_of
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
# A track may end this much before its announced end.
_END_TOLERANCE_S = Fraction(1, 2)
# Reading gives up after this many failures; there may be more behind a damaged place.
_MAX_BAD_READS = 16
# What a muxer thinks of a track it says when it is given a packet. Some tracks begin late, and are not waited for.
_MOST_PACKETS_TRIED = 100


@dataclass(eq=False)
class _Track:
    """A track that is being copied.

    Args:
        name: what messages call it.
        copy: its stream of the output.
        stated_end_s: when it ends by the input's account, in seconds of the clip; None if that is not known.
        conversion: what its packets go through, if they do.
    """

    name: str
    copy: Any
    stated_end_s: Fraction | None
    conversion: PacketConversion | None
    last_dts: int | None = None
    ends_s: Fraction = Fraction(0)
    corrupt: int = 0
    left_out: int = 0
    reason: str = ""

    def losses(self, read_to_the_end: bool) -> Iterator[str]:
        """Yields what was lost of it, one line each."""
        if self.left_out:
            yield f"{_packets(self.left_out)} of {self.name} left out ({self.reason})"
        if self.corrupt:
            yield f"{_packets(self.corrupt)} of {self.name} kept"
        stated_s = self.stated_end_s
        if read_to_the_end and stated_s is not None and self.ends_s + _END_TOLERANCE_S < stated_s:
            yield f"{self.name} is cut off: {float(self.ends_s):.1f} of {float(stated_s):.1f} s could be read"


def _packets(count: int) -> str:
    return f"{count} damaged packet{'s' if count > 1 else ''}"


class CopiedTracks:
    """Audio, subtitles, attachments, chapters and tags of an input file, added to an output container.

    Packets are interleaved with the video: call `mux_until` before each frame and `mux_rest` at the end.

    Args:
        clip: the part of the input file whose tracks are copied.
        output: an output container of PyAV that has not been started.
        video: its video stream, which gets the tags of the input's.

    `left_out` says what the container cannot hold, or holds in another way, one line each.

    Raises:
        av.error.FFmpegError: the input cannot be opened.
    """

    def __init__(self, clip: ClipRange, output: Any, video: Any) -> None:
        self._clip, self._output = clip, output
        self._input: Any = open_clip(clip)
        input_video = find_video_stream(self._input)
        # by the index of the input's stream
        self._tracks: dict[int, _Track] = {}
        self._read_to_the_end = False
        self._refused = 0
        left_out = []
        first_packets = _first_packets(clip)
        for stream in self._input.streams:
            if stream is input_video:
                _keep_tags(stream, video)
            elif _can_hold(output, stream) and _takes(output, stream, first_packets.get(stream.index, ())):
                self._keep(stream)
            elif _is_decodable(output, stream):
                self._copy(stream, *add_pcm(output, stream))
                left_out.append(f"{_describe(stream)} cannot be copied into {output.format.name}: it is kept as PCM")
            elif not _is_redundant(stream, self._input):
                left_out.append(f"{_describe(stream)} is left out: {_refusal(output, stream)}")
        self._keep_chapters()
        for key, value in _tags_to_keep(self._input.metadata).items():
            output.metadata.setdefault(key, value)
        self.left_out: Sequence[str] = tuple(left_out)
        self._packets = self._read()
        self._waiting: deque[tuple[Fraction, Any]] = deque()

    @property
    def damage(self) -> Sequence[str]:
        """What was lost while it was copied, one line each."""
        refused = [f"{_packets(self._refused)} left out: the container refuses them"] if self._refused else []
        return [*refused, *(loss for track in self._tracks.values() for loss in track.losses(self._read_to_the_end))]

    def mux_until(self, time_s: Fraction) -> None:
        """Writes the packets that begin at `time_s` (seconds of the clip) or earlier."""
        while self._fetch() and self._waiting[0][0] <= time_s:
            self.mux(self._waiting.popleft()[1])

    def mux_rest(self) -> None:
        """Writes the packets that are left: audio may last longer than the video."""
        while self._fetch():
            self.mux(self._waiting.popleft()[1])

    def mux(self, packet: Any) -> None:
        """Writes a packet of the output. Muxers keep some back and may find only now that a copied one is damaged."""
        try:
            self._output.mux(packet)
        except av.error.InvalidDataError:
            self._refused += 1

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
            self._copy(stream, add_copy(self._output, stream), conversion_for(stream))

    def _copy(self, stream: Any, copy: Any, conversion: PacketConversion | None) -> None:
        _keep_tags(stream, copy)
        self._tracks[stream.index] = _Track(_describe(stream), copy, self._stated_end_s(stream), conversion)

    def _stated_end_s(self, stream: Any) -> Fraction | None:
        whole = not self._clip.cut and self._clip.ends_s is None
        if not whole or not stream.duration or not stream.time_base or has_free_clock(self._input):
            return None
        return Fraction(((stream.start_time or 0) + stream.duration) * stream.time_base) - self._clip.begins_s

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
        if not self._tracks:
            return
        free = has_free_clock(self._input)
        # a clock that begins again has the same time twice, so there is no seeking by it
        if self._clip.cut and not free:
            with suppress(av.error.FFmpegError):
                self._input.seek(int(self._clip.begins_s * av.time_base))
        clock = clock_of(self._input)
        for packet in self._demuxed():
            if packet.dts is None:  # the end of a stream, or no time at all
                continue
            clock.move(packet)
            if packet.stream.index in self._tracks and self._is_within(packet):
                yield from self._as_written(packet)
        for index, track in self._tracks.items():
            if track.conversion is not None:
                yield from self._written(track, self._converted(index, None), self._input.streams[index].time_base)
        self._read_to_the_end = True

    def _demuxed(self) -> Iterator[Any]:
        """Yields the packets of all tracks by which the clock is kept, and continues behind damaged places."""
        kept = [self._input.streams[index] for index in self._tracks]
        streams = {stream.index: stream for stream in (*kept, *timed_streams(self._input))}
        for _ in range(_MAX_BAD_READS):
            try:
                yield from demuxed(self._input, *streams.values())
                return
            except av.error.FFmpegError:
                continue  # a damaged file ends the video too, which reports it

    def _as_written(self, packet: Any) -> Iterator[tuple[Fraction, Any]]:
        """Yields a packet as it is written, with the time at which it begins, in seconds of the clip."""
        track = self._tracks[packet.stream.index]
        track.corrupt += packet.is_corrupt
        yield from self._written(track, self._converted(packet.stream.index, packet), packet.time_base)

    def _written(self, track: _Track, packets: Sequence[Any], tick: Fraction) -> Iterator[tuple[Fraction, Any]]:
        for packet in packets:
            packet.stream = track.copy
            # what was decoded comes on the clock of its samples
            _put_onto_clock(packet, packet.time_base or tick, track.copy.time_base)
            # no muxer goes back in time, and few stand still
            if track.last_dts is not None and packet.dts <= track.last_dts:
                packet.dts = track.last_dts + 1
                packet.pts = None if packet.pts is None else max(packet.pts, packet.dts)
            track.last_dts = packet.dts
            track.ends_s = (packet.dts + (packet.duration or 0)) * packet.time_base
            yield packet.dts * packet.time_base, packet

    def _converted(self, index: int, packet: Any | None) -> Sequence[Any]:
        """Returns what becomes of a packet of a track; of None, what is left."""
        track = self._tracks[index]
        try:
            return _converted(packet, track.conversion)
        except av.error.EOFError:
            return []
        except (av.error.FFmpegError, DamagedPacketError) as exc:
            # those behind it are whole
            track.left_out, track.reason = track.left_out + 1, reason_of(exc)
            track.conversion = conversion_for(self._input.streams[index]) or track.conversion
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
            copy, conversion = add_copy(trial, stream), conversion_for(stream)
            trial.start_encoding()
            # a packet that is damaged says nothing about those behind it
            with suppress(av.error.InvalidDataError, DamagedPacketError):
                packets = [each for packet in packets for each in _converted(packet, conversion)]
            for written in packets:
                written.stream = copy
                trial.mux(written)
    except (av.error.FFmpegError, ValueError, OSError):
        return False
    return True


def _put_onto_clock(packet: Any, tick: Fraction, new_tick: Fraction | None) -> None:
    """Counts the times of a packet in other ticks, if the muxer has ticks of its own."""
    packet.time_base = new_tick or tick
    if not new_tick or tick == new_tick:
        return
    packet.pts = None if packet.pts is None else round(packet.pts * tick / new_tick)
    packet.dts = round(packet.dts * tick / new_tick)
    packet.duration = round((packet.duration or 0) * tick / new_tick)


def _converted(packet: Any, conversion: PacketConversion | None) -> Sequence[Any]:
    return [packet] if conversion is None else conversion.filter(packet)


def _is_decodable(output: Any, stream: Any) -> bool:
    """Returns whether a container takes a track of sound as PCM: Matroska takes more than PyAV lets it."""
    if output.format.name != _MATROSKA or stream.type != "audio" or stream.codec_context is None:
        return False
    return bool(stream.rate and stream.codec_context.layout.nb_channels)


def _refusal(output: Any, stream: Any) -> str:
    """Returns why a track cannot be kept."""
    if stream.codec_context is None and stream.type in {"audio", "subtitle", "video"}:
        return "its codec is unknown"
    if stream.type == "audio" and not (stream.rate and stream.codec_context.layout.nb_channels):
        return "it is announced, and nothing is in it that could be heard"
    return f"{output.format.name} cannot hold it" + ("" if output.format.name == _MATROSKA else "; mkv can hold most")


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
