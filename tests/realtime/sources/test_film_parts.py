"""The parts of a film, read one by one, have the frames of the whole."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from realtime.sources.base import Span
from realtime.sources.video_file import ReadOptions, VideoFile
from tests.realtime.clips import NTSC, colourful, write_clip


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
@pytest.mark.parametrize("start_s", [None, Fraction(1)])
def test_the_parts_of_a_film_have_the_frames_of_the_whole(name: str, start_s: Fraction | None, tmp_path: Path) -> None:
    # frames that are stored out of order, of uneven length
    ticks = [2 * index + (index % 5 == 2) for index in range(100)]
    options = {"bf": "3", "g": "20"}
    path = write_clip(tmp_path / name, 100, rate=Fraction(20), draw=colourful, ticks=ticks, codec_options=options)
    with VideoFile(path, reading=ReadOptions(start_s)) as file:
        assert file.info.seeks
        whole = list(file.frames())
    edges: list[Fraction | None] = [Fraction(0), Fraction(5, 2), Fraction(5), None]
    found = []
    for begins_s, ends_s in pairwise(edges):
        span = Span(begins_s or Fraction(0), ends_s, Fraction(1))
        with VideoFile(path, reading=ReadOptions(start_s, span=span)) as file:
            frames = list(file.frames())
            assert file.shortfall is None
        assert frames[0].time is not None
        assert frames[0].time >= span.begins_s - 1
        found += [frame for frame in frames if frame.time is not None and frame.time >= span.begins_s]
    assert [frame.time for frame in found] == [frame.time for frame in whole]
    np.testing.assert_array_equal([frame.pixels for frame in found], [frame.pixels for frame in whole])


def test_a_part_behind_the_end_of_a_film_has_no_frames(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", 20)
    with VideoFile(path, reading=ReadOptions(span=Span(Fraction(60), None))) as file:
        assert list(file.frames()) == []
    with VideoFile(path) as file:
        assert file.missing_of(20, Fraction(20) / NTSC) is None
        assert "only 5 frames, 0.2 of 0.7 s" in str(file.missing_of(5, Fraction(5) / NTSC))
