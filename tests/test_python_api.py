"""The Python API: a program paints what the command paints, and everything in docs/python.md runs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

import realtime as rt
from realtime.app.main import main
from realtime.frames import Pixels
from realtime.sources.base import BaseSource, SourceInfo
from tests.conftest import ROOT
from tests.realtime.clips import SIZE, colourful, cut_off, noisy, read_clip, write_clip

RATE = Fraction(25)
LOSSLESS = ("--encoder", "ffv1")


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the tests from the user's own styles and settings, and from a screen that happens to be there."""
    monkeypatch.setenv("NST_LIVE_STYLES", str(tmp_path / "no styles"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "no settings"))
    for variable in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)


def nst_live(*arguments: object) -> None:
    assert main([str(argument) for argument in arguments]) == 0


def write_film(path: Path, count: int = 20, size: tuple[int, int] = SIZE) -> Path:
    """Writes a colorful film at 25 frames per second whose sound lasts half a second longer; returns its path."""
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("libx264", rate=RATE, options={"crf": "10"})
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        audio: Any = container.add_stream("aac", rate=8000)
        for index in range(count):
            picture = av.VideoFrame.from_ndarray(colourful(3 * index, size), format="rgb24").reformat(format="yuv420p")
            picture.pts, picture.time_base = index, 1 / RATE
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        for begin in range(0, int(8000 * (count / RATE + Fraction(1, 2))), 1024):
            tone = np.sin(np.arange(begin, begin + 1024, dtype=np.float32)[None] / 5) / 3
            samples = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
            samples.rate, samples.pts = 8000, begin
            container.mux(audio.encode(samples))
        container.mux(audio.encode(None))
    return path


def audio_packets(path: Path) -> list[bytes]:
    """Returns the packets of the first audio track."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(container.streams.audio[0]) if packet.size]


def assert_alike(one: Path, other: Path) -> None:
    """Asserts that two files show the same frames at the same times."""
    first, second = read_clip(one), read_clip(other)
    assert first.times == second.times
    assert (first.size, first.codec) == (second.size, second.codec)
    assert len(first.pictures) == len(second.pictures) > 0
    for index, (this, that) in enumerate(zip(first.pictures, second.pictures, strict=True)):
        assert np.array_equal(this, that), f"frame {index}"


def paint_film(output: Path | str, source: Mapping[str, Any], **options: Any) -> None:
    """Paints a film without loss through the API, frame by frame."""
    with (
        rt.Stylizer(**options) as stylize,
        rt.open_source(**source) as opened,
        rt.Recorder(output, like=opened, encoder="ffv1") as out,
    ):
        for frame in opened:
            out.write(stylize(frame))


# a film --------------------------------------------------------------------------------------------------------------


def test_five_lines_give_times_and_sound_of_the_command() -> None:
    write_film(Path("in.mp4"))
    with rt.Stylizer("wave") as stylize, rt.open_source("in.mp4") as source, rt.Recorder("out.mp4", like=source) as out:
        for frame in source:
            out.write(stylize(frame))
    nst_live("-i", "in.mp4", "-o", "command.mp4", "--style", "wave")
    ours, theirs = read_clip(Path("out.mp4")), read_clip(Path("command.mp4"))
    assert ours.times == theirs.times
    assert len(ours.times) == 20
    for this, that in zip(ours.pictures, theirs.pictures, strict=True):
        # x264 does not always write the same twice; what it is given is compared below
        assert np.abs(this.astype(int) - that).mean() < 1
    assert audio_packets(Path("out.mp4")) == audio_packets(Path("command.mp4")) == audio_packets(Path("in.mp4"))


@pytest.mark.parametrize("size", [SIZE, (65, 49), (128, 72)], ids=str)
def test_every_frame_is_the_commands(size: tuple[int, int]) -> None:
    write_film(Path("in.mkv"), size=(size[0] + size[0] % 2, size[1] + size[1] % 2))
    film = {"input": "in.mkv", "size": size}
    paint_film("out.mkv", film, style="wave")
    nst_live("-i", "in.mkv", "-o", "command.mkv", "--style", "wave", "--size", f"{size[0]}x{size[1]}", *LOSSLESS)
    assert_alike(Path("out.mkv"), Path("command.mkv"))
    assert audio_packets(Path("out.mkv")) == audio_packets(Path("command.mkv"))


def test_frames_of_a_variable_rate_keep_their_times() -> None:
    write_clip(Path("vfr.mkv"), 12, draw=colourful, ticks=[0, 1, 4, 5, 9, 10, 11, 20, 21, 22, 40, 41])
    paint_film("out.mkv", {"input": "vfr.mkv"}, style="wreck")
    nst_live("-i", "vfr.mkv", "-o", "command.mkv", "--style", "wreck", *LOSSLESS)
    assert_alike(Path("out.mkv"), Path("command.mkv"))


@pytest.mark.parametrize(
    ("options", "typed"),
    [
        ({"strength": 0.5}, ["--strength", "0.5"]),
        ({"keep_colors": True}, ["--keep-colors"]),
        ({"colors": "in.mkv.png"}, ["--colors", "in.mkv.png"]),
        ({"steady": 0.0}, ["--steady", "0"]),
        ({"mirror": True}, ["--mirror"]),
        ({"net": "full"}, ["--net", "full"]),
        ({"style": {"wave": 0.6, "udnie": 0.4}}, ["--mix", "wave:0.6,udnie:0.4"]),
        ({"backend": "onnxruntime"}, ["--backend", "onnxruntime"]),
    ],
    ids=lambda value: "" if isinstance(value, list) else "-".join(value),
)
def test_arguments_are_the_commands_options(options: Mapping[str, Any], typed: list[str]) -> None:
    write_clip(Path("in.mkv"), 8, draw=colourful)
    Image.new("RGB", (9, 7), (200, 90, 30)).save("in.mkv.png")
    paint_film("out.mkv", {"input": "in.mkv"}, **options)
    nst_live("-i", "in.mkv", "-o", "command.mkv", *typed, *LOSSLESS)
    assert_alike(Path("out.mkv"), Path("command.mkv"))


@pytest.mark.parametrize(
    ("options", "typed"),
    [
        ({"start": 0.1, "end": 0.4}, ["--start", "0.1", "--end", "0.4"]),
        ({"scale": 0.5}, ["--scale", "0.5"]),
        ({"max_size": 40}, ["--max-size", "40"]),
        ({"fps": 12.5}, ["--fps", "12.5"]),
        ({"fps": 29.97}, ["--fps", "29.97"]),
    ],
    ids=lambda value: "" if isinstance(value, list) else "-".join(value),
)
def test_a_source_is_opened_as_the_command_opens_it(options: Mapping[str, Any], typed: list[str]) -> None:
    write_film(Path("in.mkv"), size=(96, 64))
    paint_film("out.mkv", {"input": "in.mkv", **options}, style="udnie")
    nst_live("-i", "in.mkv", "-o", "command.mkv", "--style", "udnie", *typed, *LOSSLESS)
    assert_alike(Path("out.mkv"), Path("command.mkv"))
    assert audio_packets(Path("out.mkv")) == audio_packets(Path("command.mkv"))


def test_several_frames_in_flight_give_the_same_paintings_in_order() -> None:
    write_film(Path("in.mp4"))
    with rt.Stylizer("scream") as stylize:
        with rt.open_source("in.mp4") as source:
            one_by_one = [stylize(frame) for frame in source]
        with rt.open_source("in.mp4") as source:
            streamed = list(stylize.stream(source))
    assert [frame.index for frame in streamed] == list(range(20))
    for one, other in zip(one_by_one, streamed, strict=True):
        assert np.array_equal(one.pixels, other.pixels)
        assert one.time == other.time


def test_a_film_is_painted_alike_whatever_was_painted_before() -> None:
    write_film(Path("in.mp4"), 6)

    def painted(stylize: rt.Stylizer) -> list[Pixels]:
        with rt.open_source("in.mp4") as source:
            return [stylize(frame).pixels for frame in source]

    with rt.Stylizer("wave") as stylize:
        first = painted(stylize)
        stylize.style = "udnie"
        second = painted(stylize)
        stylize.style = "wave"
        third = painted(stylize)
    assert all(np.array_equal(one, other) for one, other in zip(first, third, strict=True))
    assert np.abs(first[0].astype(int) - second[0]).mean() > 5


def test_a_film_that_is_left_in_the_middle_has_sound_as_far_as_its_picture() -> None:
    write_film(Path("in.mp4"))
    with rt.Stylizer("wave") as stylize, rt.open_source("in.mp4") as source, rt.Recorder("out.mp4", like=source) as out:
        for painted in stylize.stream(source):
            out.write(painted)
            if painted.index == 9:
                break
    assert len(read_clip(Path("out.mp4")).times) == 10
    assert 0 < len(audio_packets(Path("out.mp4"))) < len(audio_packets(Path("in.mp4"))) / 2


def test_a_loop_goes_on_behind_a_break_and_a_stream_that_was_left_can_begin_again() -> None:
    write_clip(Path("in.mp4"), 12)
    with rt.Stylizer("wave") as stylize, rt.open_source("in.mp4") as source:
        for frame in source:
            if frame.index == 3:
                break
        assert next(source).index == 4
        assert next(stylize.stream(source)).index == 5
        assert [frame.index for frame in stylize.stream(source)][-1] == 11
        assert source.ended
        assert list(source) == []


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
@pytest.mark.parametrize("existed", [True, False])
def test_an_error_in_the_loop_leaves_a_film_that_plays(existed: bool, error: type[BaseException]) -> None:
    write_clip(Path("in.mp4"), 12)
    if existed:
        Path("o.mkv").write_bytes(b"old")

    def copy() -> None:
        with rt.open_source("in.mp4") as source, rt.Recorder("o.mkv", like=source, overwrite=True) as out:
            for frame in source:
                out.write(frame)
                if frame.index == 5:
                    raise error

    with pytest.raises(error) as caught:
        copy()
    # Ctrl-C is a decision, an error an accident; neither costs a film that is there already
    left = Path("o.mkv" if error is KeyboardInterrupt and not existed else "o.partial.mkv")
    assert caught.value.__notes__ == [f"{left} holds the 6 frames that were written"]
    assert read_clip(left).numbers == list(range(6))
    assert not existed or Path("o.mkv").read_bytes() == b"old"


def test_a_damaged_film_warns_and_says_what_is_missing() -> None:
    write_clip(Path("in.mkv"), 60, draw=noisy)
    with rt.open_source(cut_off(Path("in.mkv"), 0.5)) as source:
        with pytest.warns(RuntimeWarning, match="is damaged or cut off"):
            assert 0 < len(list(source)) < 60
        assert source.shortfall is not None


# styles --------------------------------------------------------------------------------------------------------------


def still_film(count: int) -> Iterator[rt.Frame]:
    """Yields the same frame over and over, at 25 per second."""
    for index in range(count):
        yield rt.Frame(colourful(0), index, 0.0, index / RATE, 1 / RATE)


def test_another_style_fades_in() -> None:
    with rt.Stylizer("wave", steady=0, fade=0.2) as stylize:
        paintings = []
        for painted in map(stylize, still_film(12)):
            paintings.append(painted.pixels.astype(int))
            if painted.index == 2:
                stylize.style = "wreck"
    steps = [np.abs(one - other).mean() for one, other in pairwise(paintings)]
    assert [step > 0 for step in steps] == [False] * 2 + [True] * 5 + [False] * 4
    with rt.Stylizer("wreck", steady=0) as stylize:
        assert np.array_equal(stylize(next(still_film(1))).pixels, paintings[-1])


def test_a_fade_of_0_is_a_cut() -> None:
    with rt.Stylizer("wave", steady=0, fade=0) as stylize, rt.Stylizer({"wreck": 1}, steady=0) as wreck:
        first, second, third = still_film(3)
        stylize(first)
        stylize.style = {"wreck": 1.0}
        assert stylize.style == {"wreck": 1.0}
        assert np.array_equal(stylize(second).pixels, wreck(second).pixels)
        stylize.strength = 0
        assert np.array_equal(stylize(third).pixels, third.pixels)


def test_a_style_that_does_not_exist_leaves_the_one_before() -> None:
    with rt.Stylizer("wave") as stylize:
        with pytest.raises(rt.UnknownStyleError, match="did you mean 'wreck'"):
            stylize.style = "wrek"
        assert stylize.style == "wave"


# images and arrays ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "typed"),
    [
        ({}, []),
        ({"strength": 0.3, "keep_colors": True, "mirror": True}, ["--strength", "0.3", "--keep-colors", "--mirror"]),
    ],
    ids=["plain", "look"],
)
def test_an_image_is_painted_as_the_command_paints_it(options: Mapping[str, Any], typed: list[str]) -> None:
    Image.fromarray(colourful(0, (101, 67))).save("photo.png")
    pixels = rt.read_image("photo.png")
    before = pixels.copy()
    with rt.Stylizer("wreck", **options) as stylize:
        painted = stylize(pixels)
        assert np.array_equal(stylize(pixels), painted)
    rt.write_image("painted.png", painted)
    nst_live("-i", "photo.png", "-o", "command.png", "--style", "wreck", *typed)
    assert np.array_equal(rt.read_image("painted.png"), rt.read_image("command.png"))
    assert np.array_equal(pixels, before)


def test_the_look_may_change_between_two_images() -> None:
    with rt.Stylizer("wreck") as stylize:
        first = stylize(colourful(0))
        stylize.mirror = True
        mirrored = stylize(colourful(0))
        stylize.mirror, stylize.keep_colors = False, True
        colored = stylize(colourful(0))
        Image.new("RGB", (9, 7), (200, 90, 30)).save("copper.png")
        stylize.colors = "copper.png"
        copper = stylize(colourful(0))
        with pytest.raises(rt.PhotoError, match=r"no file none\.png"):
            stylize.colors = "none.png"
        assert (stylize.colors, stylize.keep_colors) == ("copper.png", False)
        stylize.keep_colors, stylize.style = False, "wave"
        assert stylize.colors == "style"
        wave = stylize(colourful(0))
        stylize.style = "wreck"
        assert np.array_equal(stylize(colourful(0)), first)
    assert all(not np.array_equal(first, other) for other in (mirrored, colored, copper, wave))
    with pytest.raises(ValueError, match="expected one of the two"):
        rt.Stylizer("wreck", keep_colors=True, colors="copper.png")


def test_arrays_with_times_are_frames_of_a_video() -> None:
    noise = [np.clip(colourful(0) + np.random.default_rng(k).integers(-9, 9, (48, 64, 3)), 0, 255) for k in range(4)]
    frames = [np.asarray(doubled(each.astype(np.uint8))) for each in noise]

    def flicker(paintings: list[Pixels]) -> float:
        return float(np.mean([np.abs(a.astype(int) - b).mean() for a, b in pairwise(paintings)]))

    with rt.Stylizer("wave") as stylize:
        alone = [stylize(frame) for frame in frames]
        steady = [stylize(frame, at_s=index / 25) for index, frame in enumerate(frames)]
        again = [stylize(frame, at_s=index / 25) for index, frame in enumerate(frames)]
    assert np.array_equal(alone[0], steady[0])
    assert flicker(steady) < 0.8 * flicker(alone)
    assert all(np.array_equal(one, other) for one, other in zip(steady, again, strict=True))


def test_a_view_that_reads_bgr_backwards_is_an_image_too() -> None:
    rgb = colourful(0, (128, 96))
    view = np.ascontiguousarray(rgb[:, :, ::-1])[:, :, ::-1]
    with rt.Stylizer("wave", keep_colors=True) as stylize:
        assert np.array_equal(stylize(view), stylize(rgb))
        assert np.array_equal(stylize(view, at_s=1.0), stylize(rgb, at_s=0.0))
        rt.write_image("view.png", stylize(view))


def test_an_image_that_is_only_to_be_read_is_painted_and_left_alone() -> None:
    rgb = colourful(0, (128, 96))
    fixed = rgb.copy()
    fixed.flags.writeable = False
    with rt.Stylizer("wave") as stylize:
        assert np.array_equal(stylize(fixed), stylize(rgb))
        assert np.array_equal(stylize(fixed, at_s=0.0), stylize(rgb, at_s=0.0))
    assert np.array_equal(fixed, rgb)


def doubled(pixels: Pixels) -> Pixels:
    """Returns the pixels twice as large: in small frames no motion is looked for."""
    return np.repeat(np.repeat(pixels, 2, axis=0), 2, axis=1)


@pytest.mark.parametrize(
    ("pixels", "error", "text"),
    [
        (np.zeros((4, 4, 3), np.float32), TypeError, r"float32, expected uint8 \(multiply by 255 first"),
        (np.zeros((4, 4), np.uint8), ValueError, r"shape \(4, 4\), expected \(height, width, 3\)"),
        (np.zeros((4, 4, 4), np.uint8), ValueError, "expected"),
        (np.zeros((0, 4, 3), np.uint8), ValueError, "expected"),
        ("photo.jpg", TypeError, "got str"),
    ],
)
def test_what_is_no_image_is_refused(pixels: Any, error: type[Exception], text: str) -> None:
    with rt.Stylizer("wave") as stylize, rt.Recorder("out.mkv", size=(4, 4), fps=25) as out:
        for use in (
            stylize,
            lambda each: stylize(each, at_s=0.0),
            out.write,
            lambda each: rt.write_image("a.png", each),
        ):
            with pytest.raises(error, match=text):
                use(pixels)


def test_an_image_is_written_once() -> None:
    rt.write_image("a.png", colourful(0))
    with pytest.raises(rt.OutputError, match="pass overwrite=True"):
        rt.write_image("a.png", colourful(1))
    rt.write_image("a.png", colourful(1), overwrite=True)
    assert np.array_equal(rt.read_image("a.png"), colourful(1))
    with pytest.raises(rt.OutputError, match=r"expected a name that ends in \.jpg"):
        rt.write_image("a.mp4", colourful(1))
    with pytest.raises(rt.PhotoError, match="no"):
        rt.read_image("nowhere.png")


def test_arrays_follow_each_other_at_the_frame_rate() -> None:
    array = np.empty((48, 64, 3), np.uint8)
    with rt.Recorder("out.mkv", size=SIZE, fps=12.5, encoder="ffv1") as out:
        for index in range(10):
            array[:] = 10 * index  # the same memory each time
            out.write(array)
        assert out.frame_count == 10
    clip = read_clip(Path("out.mkv"))
    assert [int(picture[0, 0, 0]) for picture in clip.pictures] == [10 * index for index in range(10)]
    assert clip.times == [index / Fraction(25, 2) for index in range(10)]


# live sources --------------------------------------------------------------------------------------------------------


class LiveFrames(BaseSource):
    """A camera that gives frames as fast as they are asked for."""

    def __init__(self, count: int) -> None:
        super().__init__(SourceInfo("camera", SIZE, RATE, 1 / RATE, live=True))
        self._count = count

    def frames(self) -> Iterator[rt.Frame]:
        for index in range(self._count):
            yield rt.Frame(colourful(index), index, index / 25)
        raise rt.SourceError("camera stopped giving pictures")


def test_a_live_source_gives_its_newest_frames_and_its_error() -> None:
    indices = []

    def record() -> None:
        with (
            rt.Stylizer("wave") as stylize,
            rt.VideoSource(LiveFrames(50)) as source,
            rt.Recorder("out.mkv", like=source) as out,
        ):
            for painted in stylize.stream(source):
                indices.append(painted.index)
                out.write(painted)

    with pytest.raises(rt.SourceError, match="stopped giving"):
        record()
    assert indices == sorted(set(indices))
    assert indices[-1] == 49
    times = read_clip(Path("out.partial.mkv")).times
    assert times[0] == 0
    for before, after in pairwise(times):
        # stamped with their capture, at 25 per second
        assert float(25 * (after - before)) == pytest.approx(max(1, round(25 * (after - before))), abs=0.05)


def test_a_stream_of_any_frames_raises_their_error_after_those_that_came() -> None:
    def frames() -> Iterator[rt.Frame]:
        yield from still_film(5)
        raise LookupError("no more")

    with rt.Stylizer("wave") as stylize:
        stream = stylize.stream(frames())
        painted = [next(stream).index for _ in range(5)]
        with pytest.raises(LookupError, match="no more"):
            next(stream)
    assert painted == [0, 1, 2, 3, 4]


def test_one_stylizer_paints_one_stream_at_a_time() -> None:
    with rt.Stylizer("wave") as stylize:
        stream = stylize.stream(still_film(5))
        next(stream)
        with pytest.raises(RuntimeError, match="a stream is being painted"):
            stylize(next(still_film(1)))
        assert [frame.index for frame in stream] == [1, 2, 3, 4]
        stylize(next(still_film(1)))


# errors --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: rt.Stylizer("wavee"), "UnknownStyleError", "did you mean 'wave'"),
        (lambda: rt.Stylizer("wave", net="ful"), "UnknownStyleError", "did you mean 'full'"),
        (lambda: rt.Stylizer({"wave": 1, "nope": 1}), "UnknownStyleError", "called 'nope'"),
        (lambda: rt.Stylizer({}), "MixError", "is not a mix"),
        (lambda: rt.Stylizer({"wave": -1}), "MixError", "is not a mix"),
        (lambda: rt.Stylizer("nowhere.onnx"), "FileNotFoundError", "nowhere.onnx"),
        (lambda: rt.Stylizer(strength=2), "ValueError", "strength is 2, expected a number from 0 to 1"),
        (lambda: rt.Stylizer(steady=-1), "ValueError", "steady is -1"),
        (lambda: rt.Stylizer(fade=-1), "ValueError", "fade is -1"),
        (lambda: rt.Stylizer(backend="cuda"), "ValueError", "expected one of auto, tensorrt"),
        (lambda: rt.open_source("nowhere.mp4"), "SourceError", "no file nowhere.mp4"),
        (lambda: rt.open_source("in.mp4", camera=0), "ValueError", "expected one of them"),
        (lambda: rt.open_source("test", start=1), "ValueError", "are for files"),
        (lambda: rt.open_source("in.mp4", size=(0, 4)), "ValueError", "size is 0x4"),
        (lambda: rt.open_source("in.mp4", fps=0), "ValueError", "fps is 0"),
        (lambda: rt.open_source("in.mp4", scale=17), "ValueError", "scale is 17"),
        (lambda: rt.open_source("in.mp4", max_size=0), "ValueError", "max_size is 0"),
        (lambda: rt.open_source("in.mp4", start=2, end=1), "ValueError", "end is not after start"),
        (lambda: rt.open_source("in.mp4", size=(8, 8), scale=2), "ValueError", "does not go together"),
        (lambda: rt.Recorder("a.mp4"), "ValueError", "size and fps are needed"),
        (lambda: rt.Recorder("a.avi", size=(8, 8), fps=25), "OutputError", "format is unknown"),
        (lambda: rt.Recorder("nowhere/a.mp4", size=(8, 8), fps=25), "OutputError", "no folder nowhere"),
        (lambda: rt.Recorder("in.mp4", size=(8, 8), fps=25), "OutputError", "pass overwrite=True"),
        (lambda: rt.Recorder("a.webm", size=(8, 8), fps=25, encoder="libx264"), "EncodingError", "webm"),
        (lambda: rt.Recorder("a.mp4", size=(8, 8), fps=25, encoder="x"), "ValueError", "expected one of auto"),
        (lambda: rt.list_styles("ful"), "UnknownStyleError", "did you mean 'full'"),
    ],
)
def test_errors_are_the_commands(call: Callable[[], object], error: str, text: str) -> None:
    write_clip(Path("in.mp4"), 2)
    kind: Any = getattr(rt, error, None) or getattr(__import__("builtins"), error)
    with pytest.raises(kind, match=text):
        call()


def test_a_film_does_not_overwrite_itself() -> None:
    write_clip(Path("in.mp4"), 2)
    with rt.open_source("in.mp4") as source, pytest.raises(rt.OutputError, match="it is the input itself"):
        rt.Recorder("in.mp4", like=source, overwrite=True)


def test_a_source_that_is_closed_says_so() -> None:
    write_clip(Path("in.mp4"), 2)
    with rt.open_source("in.mp4") as source:
        next(source)
    source.close()
    with pytest.raises(ValueError, match=r"in\.mp4 is closed"):
        next(source)


def test_a_backend_that_turns_out_not_to_work_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise rt.BackendUnavailableError("the driver is too old")

    monkeypatch.setattr("realtime.backends.openvino.open_painter_for_rate", fail)
    with rt.Stylizer("wave") as stylize:
        before = stylize.backend
        stylize(next(still_film(1)))
        assert (before, stylize.backend) == ("openvino", "onnxruntime")
    stylize = rt.Stylizer("wave", backend="openvino")
    with pytest.raises(rt.BackendUnavailableError, match="the driver is too old"):
        stylize(next(still_film(1)))


# the module ----------------------------------------------------------------------------------------------------------


def test_importing_it_loads_no_part_of_it() -> None:
    code = (
        "import json, sys, realtime; print(json.dumps([m for m in sys.modules if m.startswith(('realtime.', 'av'))]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_every_public_name_is_there_and_no_other() -> None:
    for name in rt.__all__:
        assert getattr(rt, name) is not None
        assert name in dir(rt)
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        rt.Nothing  # type: ignore[attr-defined]  # noqa: B018


def test_every_public_name_is_documented() -> None:
    text = (ROOT / "docs" / "python.md").read_text()
    undocumented = {name for name in rt.__all__ if name not in text} - {"__version__", "CameraDevice", "Style"}
    assert undocumented == set()


def test_lists_say_what_there_is() -> None:
    styles = rt.list_styles("fast")
    assert {"wave", "wreck", "udnie"} <= {style.name for style in styles}
    assert all(style.network == "fast" for style in styles)
    assert len(rt.list_styles()) > len(styles)
    assert rt.list_backends()["openvino"] is None
    assert list(rt.list_backends()) == ["tensorrt", "openvino", "onnxruntime", "pytorch"]
    assert isinstance(rt.list_cameras(), tuple)


# docs and types ------------------------------------------------------------------------------------------------------

PROGRAM = '''
"""A program that uses the API from outside."""
import time

import numpy as np
from numpy.typing import NDArray

import realtime as rt


def paint(style: str, path: str) -> int:
    with rt.Stylizer(style, strength=0.5) as stylize, rt.open_source(path) as source:
        with rt.Recorder("out.mp4", like=source, crf=20) as out:
            for frame in source:
                painted: rt.Frame = stylize(frame)
                out.write(painted)
            for each in stylize.stream(source):
                out.write(each.pixels)
        return out.frame_count


def paint_image(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    stylizer: rt.Stylizer = rt.Stylizer({"wave": 0.6, "udnie": 0.4})
    stylizer.style = "wreck"
    try:
        return stylizer(pixels, at_s=time.monotonic())
    except rt.BackendUnavailableError:
        return stylizer(pixels)


names: list[str] = [style.name for style in rt.list_styles()]
reveal_type(rt.read_image("photo.jpg"))
reveal_type(rt.list_backends())
'''


@pytest.fixture(scope="module")
def site_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another Python's site-packages with this package in it, as its wheel has it, and what is installed here."""
    environment = tmp_path_factory.mktemp("outside") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    (site,) = environment.glob("lib/python*/site-packages")
    for package in ("realtime", "build_engines", "styles"):
        shutil.copytree(ROOT / package, site / package, ignore=shutil.ignore_patterns("trained", "__pycache__"))
    paths = [path for path in sys.path if path.endswith("-packages")]
    (site / "installed.pth").write_text("\n".join(paths) + "\n")
    return site


def check_types(site_packages: Path, *programs: Path) -> tuple[int, str]:
    """Returns what mypy says about programs that use the installed package."""
    python = site_packages.parents[2] / "bin" / "python"
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--python-executable={python}"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    folder = site_packages.parents[3]
    command += map(str, programs)
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_program_outside_passes_mypy_strict(site_packages: Path) -> None:
    program = site_packages.parents[3] / "program.py"
    program.write_text(PROGRAM)
    code, printed = check_types(site_packages, program)
    assert code == 0, printed
    assert 'Revealed type is "numpy.ndarray[' in printed
    assert 'Revealed type is "typing.Mapping[str, str | None]"' in printed
    program.write_text(
        PROGRAM.replace("strength=0.5", 'strength="0.5"').replace("frame_count", "frames") + "rt.Stylzer()"
    )
    code, printed = check_types(site_packages, program)
    assert code == 1
    assert 'Argument "strength" to "Stylizer" has incompatible type "str"; expected "float"' in printed
    assert '"Recorder" has no attribute "frames"' in printed
    assert 'Module has no attribute "Stylzer"' in printed


def test_examples_and_docs_pass_mypy_strict(site_packages: Path) -> None:
    programs = []
    imports = "import time\n\nimport numpy as np\n\nimport realtime as rt\n\n"
    for index, (_, code) in enumerate(blocks()):
        programs.append(site_packages.parents[3] / f"block_{index}.py")
        programs[-1].write_text(imports + code)
    for path in (ROOT / "examples").glob("*.py"):
        programs.append(site_packages.parents[3] / f"example_{path.name}")
        shutil.copy(path, programs[-1])
    status, printed = check_types(site_packages, *programs)
    assert status == 0, printed


def test_the_marker_of_types_goes_into_the_wheel() -> None:
    assert (ROOT / "realtime" / "py.typed").is_file()
    assert re.search(r'^realtime = \[.*"py\.typed"', (ROOT / "pyproject.toml").read_text(), flags=re.MULTILINE)


def blocks() -> list[tuple[bool, str]]:
    """Returns the blocks of code in docs/python.md, each with whether it runs here."""
    text = (ROOT / "docs" / "python.md").read_text()
    found = re.findall(r"(<!-- needs a camera -->\n)?```python\n(.*?)```", text, flags=re.DOTALL)
    return [(not marker, code) for marker, code in found]


def test_the_code_in_the_docs_runs(capsys: pytest.CaptureFixture[str]) -> None:
    write_film(Path("in.mp4"), 30)
    Image.fromarray(colourful(0)).save("photo.jpg")
    names: dict[str, object] = {}
    assert len(blocks()) >= 8
    for runs, code in blocks():
        if runs:
            exec(compile(code, "docs/python.md", "exec"), names)
    assert all(Path(name).stat().st_size for name in ("out.mp4", "painted.jpg", "udnie.mp4", "mix.mp4", "grey.mkv"))
    assert "did you mean 'wave'?" in capsys.readouterr().out


def test_the_reference_in_the_docs_has_every_argument_and_default() -> None:
    import inspect

    text = (ROOT / "docs" / "python.md").read_text()
    for documented in (rt.Stylizer, rt.open_source, rt.Recorder):
        signature = inspect.signature(documented)
        bare = signature.replace(
            parameters=[each.replace(annotation=inspect.Parameter.empty) for each in signature.parameters.values()],
            return_annotation=inspect.Signature.empty,
        )
        written = str(bare).replace("'", '"')
        assert f"### `{documented.__name__}{written}`" in text
