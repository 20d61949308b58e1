"""A film that is painted in parts, in any order, becomes one file; and a part alone is what --resume makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from realtime.frames import Frame, Presentation
from realtime.media.encoders import Encoding, OutputError
from realtime.media.video_encoder import VideoTrack
from realtime.sinks.packet_joiner import PacketJoiner
from realtime.sinks.parts import PartRecorder, PartReport, PartsFolder
from realtime.sinks.resumable_recorder import ResumableRecorder
from realtime.sinks.segments import SegmentFolder
from realtime.sources.base import Span
from tests.realtime.clips import colourful, read_clip

SIZE = (64, 48)
RATE = Fraction(10)
COUNT = 150
TRACK = VideoTrack(SIZE, RATE, 1 / (2 * RATE), presentation=Presentation())
LEAD_IN_S = Fraction(2)
# Of 5 s each, but for the last: no multiple of the four seconds of a segment.
EDGES_S = (Fraction(0), Fraction(5), Fraction(10))
PARTS = [Span(begin, end, LEAD_IN_S) for begin, end in zip(EDGES_S, (*EDGES_S[1:], None), strict=True)]


class Part:
    """Takes a part and keeps it."""

    def __init__(self, span: Span) -> None:
        self.span, self.segments = span, list[bytes]()
        self.report: PartReport | None = None

    def begin(self, painter: str) -> None: ...

    def keep(self, packed: bytes) -> None:
        self.segments.append(packed)

    def finish(self, segments: int, frames: int, ends_s: Fraction) -> None:
        self.report = PartReport(segments, frames, float(ends_s), "a painter")


def frames_of(span: Span) -> Sequence[Frame]:
    numbers = [index for index in range(COUNT) if index / RATE >= span.read_from_s]
    if span.ends_s is not None:
        numbers = [index for index in numbers if index / RATE < span.ends_s]
    return [Frame(colourful(index, SIZE), index, 0.0, index / RATE, 1 / RATE) for index in numbers]


def painted(path: Path, span: Span, encoding: Encoding) -> Part:
    part = Part(span)
    with PartRecorder(path, TRACK, encoding=encoding, target=part) as recorder:
        for frame in frames_of(span):
            recorder.write(frame.pixels, frame)
    return part


def save(folder: PartsFolder, number: int, part: Part) -> None:
    for index, packed in enumerate(part.segments):
        folder.add(number, index, packed)
    assert part.report is not None
    folder.finish(number, part.report)


def join(path: Path, folder: PartsFolder, encoding: Encoding) -> None:
    joiner = PacketJoiner(path, folder.path, TRACK, encoding=replace(encoding, repeatable=True), copy_from=None)
    joiner.join(folder.packets(), to_audio_end=True)
    folder.remove()


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm"])
def test_one_part_is_byte_for_byte_what_resume_makes(name: str, tmp_path: Path) -> None:
    for folder in ("parts", "resumed"):
        (tmp_path / folder).mkdir()
    encoding, path = Encoding(), tmp_path / "parts" / name
    parts = PartsFolder(path, {})
    save(parts, 0, painted(path, Span(), encoding))
    join(path, parts, encoding)
    resumed = tmp_path / "resumed" / name
    with ResumableRecorder(resumed, TRACK, encoding=encoding, copy_from=None, fingerprint={}) as recorder:
        for frame in frames_of(Span()):
            recorder.write(frame.pixels, frame)
        recorder.finish_audio()
    if path.suffix == ".mp4":
        assert path.read_bytes() == resumed.read_bytes()
    one, other = read_clip(path), read_clip(resumed)  # Matroska has random numbers in it
    assert one.times == other.times
    np.testing.assert_array_equal(one.pictures, other.pictures)


@pytest.mark.parametrize("encoder", ["libx264", "ffv1"])
def test_parts_in_any_order_become_one_film_without_their_lead_ins(encoder: str, tmp_path: Path) -> None:
    path, encoding = tmp_path / "a.mkv", Encoding(encoder)
    parts = [painted(path, span, encoding) for span in PARTS]
    assert [part.report.frames if part.report else 0 for part in parts] == [50, 50, 50]
    assert [part.report.ends_s if part.report else 0 for part in parts] == [5, 10, 15]
    folder = PartsFolder(path, {"style": "wave"})
    with pytest.raises(OutputError, match="another process is painting it"):
        PartsFolder(path, {"style": "wave"})
    save(folder, 2, parts[2])
    save(folder, 0, parts[0])
    folder.add(1, 0, parts[1].segments[0])  # and then the run is killed
    folder.release()

    again = PartsFolder(path, {"style": "wave"})
    assert sorted(again.done) == [0, 2]
    assert again.notes == ()
    assert sorted(each.name for each in again.path.glob("000001*")) == []
    save(again, 1, parts[1])
    join(path, again, encoding)
    clip = read_clip(path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]
    assert clip.times == [index / RATE for index in range(COUNT)]
    wanted = [colourful(index, SIZE) for index in range(COUNT)]
    if encoder == "ffv1":
        np.testing.assert_array_equal(clip.pictures, wanted)
    else:
        assert np.abs(np.array(clip.pictures, int) - wanted).mean() < 4


def test_a_part_that_is_damaged_is_named_and_painted_again(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    folder = PartsFolder(path, {})
    for number, span in enumerate(PARTS):
        save(folder, number, painted(path, span, Encoding("ffv1")))
    folder.release()
    (folder.path / "000001-000000.npz").write_bytes(b"half")
    (folder.path / "000002.json").write_text('{"segments": 1')
    again = PartsFolder(path, {})
    assert sorted(again.done) == [0]
    assert [note.rpartition("/")[2] for note in again.notes] == [
        "000001.json is damaged: that part is painted again",
        "000002.json is damaged: that part is painted again",
    ]
    again.release()
    with pytest.raises(OutputError, match="was begun with another length of parts"):
        PartsFolder(path, {"length of parts": "60 s"})
    with pytest.raises(OutputError, match="was begun with another frames in a segment"):
        SegmentFolder(path, {"frames in a segment": "40"})
