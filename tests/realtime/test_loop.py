"""A file played over and over: pictures, times and sound go on from one round to the next."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from realtime.frames import Frame
from realtime.sources.loop import Looped
from realtime.sources.opening import open_source
from realtime.sources.playback import Playback
from realtime.sources.sound import RATE, Piece, SoundFeed
from realtime.sources.source import SourceError
from realtime.sources.video_file import Reading
from tests.realtime.clips import NTSC, number_of, write_clip
from tests.realtime.conftest import NstLive
from tests.realtime.test_sound import write_talkie

_CODECS = {".avi": ("mpeg4", "yuv420p"), ".png": ("png", "rgb24")}


def looped(path: Path, reading: Reading = Reading(), rate: Fraction | None = None) -> Looped:  # noqa: B008 - frozen
    return Looped(
        open_source(url=str(path), reading=reading, rate=rate),
        lambda: open_source(url=str(path), reading=reading, rate=rate),
    )


def frames_of(source: Looped, count: int) -> list[Frame]:
    with source:
        return list(islice(source.frames(), count))


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.avi", "frame_%03d.png"])
def test_the_last_picture_is_followed_by_the_first_in_time(name: str, tmp_path: Path) -> None:
    codec, pixel_format = _CODECS.get(Path(name).suffix, ("libx264", "yuv420p"))
    path = write_clip(tmp_path / name, 5, rate=Fraction(25), codec=codec, pixel_format=pixel_format)
    source = looped(path)
    assert source.frame_count is None
    frames = frames_of(source, 13)
    assert [number_of(frame.pixels) for frame in frames] == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2]
    assert [frame.index for frame in frames] == list(range(13))
    assert [frame.time for frame in frames] == [Fraction(index, 25) for index in range(13)]


def test_a_part_of_a_file_is_a_loop_too(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", 25, rate=Fraction(25))
    part = Reading(start_s=Fraction(8, 25), end_s=Fraction(11, 25))
    frames = frames_of(looped(path, part), 8)
    assert [number_of(frame.pixels) for frame in frames] == [8, 9, 10, 8, 9, 10, 8, 9]
    assert [frame.time for frame in frames] == [Fraction(index, 25) for index in range(8)]


def test_at_another_rate_the_loop_keeps_its_length(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", 10, rate=Fraction(10))
    frames = frames_of(looped(path, rate=Fraction(5)), 12)
    assert [number_of(frame.pixels) for frame in frames] == [0, 2, 4, 6, 8, 0, 2, 4, 6, 8, 0, 2]
    assert [frame.time for frame in frames] == [Fraction(index, 5) for index in range(12)]


def test_a_damaged_file_goes_on_and_says_what_is_missing(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mkv", 60, rate=NTSC)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    source = looped(path)
    frames = frames_of(source, 100)
    assert len(frames) == 100
    assert source.shortfall is not None
    assert "damaged or cut off" in source.shortfall


def test_a_file_that_is_gone_when_it_begins_again_is_an_error(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", 5)
    source = looped(path)
    with source:
        frames = source.frames()
        assert len(list(islice(frames, 5))) == 5
        path.unlink()
        with pytest.raises(SourceError, match="no file"):
            next(frames)


def test_its_sound_begins_again_with_its_pictures(tmp_path: Path) -> None:
    path = write_talkie(tmp_path / "talkie.mp4")
    feed = SoundFeed()
    ear = feed.ear()
    # dark and silent to 1 s, then bright with a tone: 0.4 s of each
    reading = Reading(start_s=Fraction(3, 5), end_s=Fraction(7, 5))
    heard: list[Piece] = []
    bright_at_s: list[float] = []
    with Playback(looped(path, reading), feed) as playback:
        was_bright = False
        for frame in islice(playback.frames(), 60):
            heard.extend(ear.take_until(frame.captured_at_s))
            bright = frame.pixels.mean() > 100
            if bright and not was_bright:
                bright_at_s.append(frame.captured_at_s)
            was_bright = bright
    assert len(bright_at_s) == 3
    for at_s in bright_at_s:
        assert _loudness(heard, at_s - 0.3, at_s - 0.1) < 0.01
        assert _loudness(heard, at_s + 0.1, at_s + 0.3) > 0.2


def _loudness(pieces: list[Piece], begins_s: float, ends_s: float) -> float:
    """Returns the root mean square of what is heard in that time."""
    inside = list(_samples(pieces, begins_s, ends_s))
    assert sum(map(len, inside)) / RATE == pytest.approx(ends_s - begins_s, abs=0.01)
    return float(np.sqrt(np.mean(np.concatenate(inside) ** 2)))


def _samples(pieces: list[Piece], begins_s: float, ends_s: float) -> Iterator[np.ndarray]:
    for piece in pieces:
        at_s = piece.at_s + np.arange(piece.samples.shape[1]) / RATE
        yield piece.samples[0][(at_s >= begins_s) & (at_s < ends_s)]


def test_so_many_frames_of_a_loop_can_be_wanted(nst_live: NstLive, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 4)
    run = nst_live("-i", str(clip), "--loop", "--no-window", "--frames", "11")
    assert run.code == 0
    assert "painted 11 frames" in run.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-i", "clip.mp4", "--loop", "--no-window"], "nobody would end --loop; wanted a window"),
        (["-i", "clip.mp4", "--loop", "-o", "out.mp4"], "--loop does not go with -o"),
        (["-i", "test", "--loop"], "--loop is for files"),
        (["--camera", "0", "--loop"], "--loop is for files"),
    ],
)
def test_a_loop_that_would_never_end_is_refused(
    arguments: list[str], words: str, nst_live: NstLive, tmp_path: Path
) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 4)
    run = nst_live(*(str(clip) if each == clip.name else each for each in arguments))
    assert run.code == 2
    assert words in run.err
