"""Animated WebP and PNG are videos: every frame once, at its time."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from realtime.media.decoding import SourceError
from realtime.media.photo import is_animation, read_photo
from realtime.sources.animated_image import AnimatedImage
from realtime.sources.open import open_source
from realtime.sources.video_file import ReadOptions
from tests.realtime.conftest import NstLive

SUFFIXES = [".webp", ".png"]
LEVELS = (40, 80, 120, 160, 200)
DURATIONS_MS = (100, 200, 100, 50, 300)


def frames_of(levels: Sequence[int] = LEVELS, mode: str = "RGB") -> list[Image.Image]:
    return [Image.fromarray(np.full((48, 64, 3), level, np.uint8)).convert(mode) for level in levels]


def write(path: Path, *, durations: Sequence[int] = DURATIONS_MS, default_image: bool = False) -> Path:
    first, *others = frames_of()
    shown = {"duration": list(durations), "lossless": True, "default_image": default_image}
    first.save(path, None, save_all=True, append_images=others, **shown)
    return path


def levels_in(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return [round(float(frame.to_ndarray(format="rgb24").mean())) for frame in container.decode(video=0)]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_frame_comes_at_its_time(suffix: str, tmp_path: Path) -> None:
    with AnimatedImage(write(tmp_path / f"moving{suffix}")) as source:
        frames = list(source.frames())
        assert source.info.frame_count == 5
        assert source.shortfall is None
        assert source.size == (64, 48)
        assert source.rate == 10
    assert [int(frame.pixels[20, 20, 0]) for frame in frames] == list(LEVELS)
    assert [frame.time for frame in frames] == [Fraction(ms, 1000) for ms in (0, 100, 300, 400, 450)]
    assert [frame.duration for frame in frames] == [Fraction(ms, 1000) for ms in DURATIONS_MS]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_part_is_read_and_made_smaller(suffix: str, tmp_path: Path) -> None:
    reading = ReadOptions(Fraction(1, 10), Fraction(45, 100), max_side=32)
    with AnimatedImage(write(tmp_path / f"moving{suffix}"), None, reading) as source:
        frames = list(source.frames())
    assert [int(frame.pixels[10, 10, 0]) for frame in frames] == [80, 120, 160]
    assert frames[0].time == 0
    assert frames[0].pixels.shape == (24, 32, 3)


def test_a_part_without_a_frame_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="lies between --start and --end"):
        AnimatedImage(write(tmp_path / "moving.png"), None, ReadOptions(Fraction(5)))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_frame_that_does_not_say_how_long_it_is_shown_is_shown_as_in_browsers(suffix: str, tmp_path: Path) -> None:
    with AnimatedImage(write(tmp_path / f"moving{suffix}", durations=[0] * 5)) as source:
        assert {frame.duration for frame in source.frames()} == {Fraction(1, 10)}


def test_a_picture_for_viewers_that_know_no_animations_is_not_painted(tmp_path: Path) -> None:
    with AnimatedImage(write(tmp_path / "moving.png", durations=[100] * 4, default_image=True)) as source:
        assert source.info.frame_count == 4
        assert [int(frame.pixels[0, 0, 0]) for frame in source.frames()] == list(LEVELS[1:])


def test_another_rate_repeats_frames(tmp_path: Path) -> None:
    path = write(tmp_path / "moving.png", durations=[100] * 5)
    with open_source(url=str(path), rate=Fraction(20)) as source:
        assert [int(frame.pixels[0, 0, 0]) for frame in source.frames()] == sorted(2 * LEVELS)


def test_transparency_is_reported(tmp_path: Path) -> None:
    first, *others = frames_of(mode="RGBA")
    first.putalpha(100)
    first.save(tmp_path / "moving.webp", save_all=True, append_images=others)
    with AnimatedImage(tmp_path / "moving.webp") as source:
        assert source.info.notes == (f"{tmp_path / 'moving.webp'} is partly transparent: its alpha channel is ignored",)


def test_what_is_cut_off_is_painted_as_far_as_it_goes(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    first, *others = [Image.fromarray(rng.integers(0, 256, (48, 64, 3), np.uint8)) for _ in LEVELS]
    path = tmp_path / "moving.png"
    first.save(path, save_all=True, append_images=others, duration=100, lossless=True)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 5])
    with AnimatedImage(path) as source:
        read = len(list(source.frames()))
        assert 0 < read < 5
        assert source.shortfall is not None
        assert f"{read} of" in source.shortfall


def test_only_what_moves_is_an_animation(tmp_path: Path) -> None:
    still = frames_of()[0]
    for suffix in SUFFIXES:
        assert is_animation(write(tmp_path / f"moving{suffix}"))
        still.save(tmp_path / f"still{suffix}")
        assert not is_animation(tmp_path / f"still{suffix}")
    still.save(tmp_path / "alpha.webp", lossless=True, exif=b"Exif\0\0")
    assert not is_animation(tmp_path / "alpha.webp")
    assert not is_animation(tmp_path / "gone.png")
    assert not is_animation(tmp_path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_single_picture_is_its_first_frame_and_says_so(
    suffix: str, tmp_path: Path, identity: Path, nst_live: NstLive
) -> None:
    write(tmp_path / f"moving{suffix}")
    told = nst_live("-i", f"moving{suffix}", "-o", "painted.png", "--style", identity)
    assert told.code == 0, told.err
    assert "only the first frame of the animation is painted" in told.err
    assert int(read_photo(tmp_path / "painted.png").pixels[0, 0, 0]) == LEVELS[0]


def test_in_a_folder_an_animation_becomes_a_video(tmp_path: Path, identity: Path, nst_live: NstLive) -> None:
    (tmp_path / "in").mkdir()
    write(tmp_path / "in" / "moving.webp")
    write(tmp_path / "in" / "moving.png")
    frames_of()[0].save(tmp_path / "in" / "still.webp")
    told = nst_live("-i", "in", "-o", "out", "--style", identity, "--steady", 0)
    assert told.code == 0, told.err
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["moving.mp4", "moving.webp.mp4", "still.webp"]
    for name in written[:2]:
        assert levels_in(tmp_path / "out" / name) == pytest.approx(LEVELS, abs=2)


def test_numbered_pictures_are_painted_from_an_animation(tmp_path: Path, identity: Path, nst_live: NstLive) -> None:
    write(tmp_path / "moving.png")
    told = nst_live("-i", "moving.png", "-o", "f_%02d.png", "--style", identity, "--steady", 0)
    assert told.code == 0, told.err
    assert len(list(tmp_path.glob("f_*.png"))) == 5
