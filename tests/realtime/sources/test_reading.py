"""What part of a file is painted, how large, and into what: through the whole command."""

from __future__ import annotations

import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from realtime.app.main import main
from realtime.frames import Pixels
from realtime.media.encoders import ENCODERS
from realtime.sources.video_file import ReadOptions
from tests.realtime.clips import Clip, colourful, number_of, numbered, read_clip, write_clip
from tests.realtime.conftest import NstLive

RATE = Fraction(25)
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg, which makes the files, is missing")


def painted(nst_live: NstLive, identity: Path, clip: Path, output: str, *options: object) -> Clip:
    result = nst_live("-i", clip, "-o", output, "--style", identity, "--steady", 0, *options)
    assert result.code == 0, result.err
    return read_clip(Path(output))


# a part of a file -----------------------------------------------------------------------------------------------------


PARTS = {
    ("--start", "0.4"): range(10, 30),
    ("--end", "0:00.4"): range(10),
    ("--start", "0.5", "--end", "0.8"): range(13, 20),
}


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize("options", PARTS)
def test_a_part_of_a_file_is_painted_and_begins_at_0(
    suffix: str, options: tuple[str, ...], identity: Path, nst_live: NstLive
) -> None:
    clip = write_clip(Path(f"clip{suffix}"), 30, rate=RATE, codec_options={"g": "12"})
    part = painted(nst_live, identity, clip, "painted.mp4", *options)
    assert part.numbers == list(PARTS[options])
    # 0.5 s is half a frame before the thirteenth
    begins_s = Fraction(options[1]) if options[0] == "--start" else Fraction(0)
    assert part.times == [number / RATE - begins_s for number in PARTS[options]]


@needs_ffmpeg
def test_the_audio_of_a_part_stays_with_its_video(tmp_path: Path, identity: Path, nst_live: NstLive) -> None:
    picture = ["-f", "lavfi", "-i", "testsrc=size=64x48:rate=25:duration=3"]
    sound = ["-f", "lavfi", "-i", "sine=440:duration=3", "-c:a", "aac"]
    subprocess.run(["ffmpeg", "-loglevel", "error", *picture, *sound, "clip.mp4"], check=True, cwd=tmp_path)
    painted(nst_live, identity, Path("clip.mp4"), "painted.mp4", "--start", "1", "--end", "2")
    with av.open("painted.mp4") as container:
        times = [frame.time or 0.0 for frame in container.decode(audio=0)]
    assert 0 <= times[0] < 0.03
    assert 0.95 < times[-1] + 1024 / 44100 < 1.03


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--start", "5"], 3, "no frame of clip.mp4 lies between --start and --end"),
        (["--start", "0.4", "--end", "0.4"], 2, "--end is not after --start"),
    ],
)
def test_an_empty_part_gives_one_line(
    options: list[str], code: int, words: str, identity: Path, nst_live: NstLive
) -> None:
    write_clip(Path("clip.mp4"), 12)
    result = nst_live("-i", "clip.mp4", "-o", "painted.mp4", "--style", identity, *options)
    assert result.code == code
    assert words in result.complaint
    assert not Path("painted.mp4").exists()


def test_a_part_of_something_that_is_not_a_file_is_refused(nst_live: NstLive) -> None:
    result = nst_live("-i", "test", "--start", "1")
    assert result.code == 2
    assert "expected -i FILE" in result.complaint


@pytest.mark.parametrize("time", ["soon", "-1", "1:2:3:4", "1,5"])
def test_an_invalid_time_says_what_is_expected(time: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["-i", "clip.mp4", f"--start={time}"])
    assert caught.value.code == 2
    assert "expected seconds or H:MM:SS" in capsys.readouterr().err


# its size -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reading", "size", "fitted"),
    [
        (ReadOptions(), (641, 361), (641, 361)),
        (ReadOptions(max_side=1000), (641, 361), (641, 361)),
        (ReadOptions(max_side=640), (1920, 1080), (640, 360)),
        (ReadOptions(max_side=640), (1080, 1920), (360, 640)),
        (ReadOptions(scale=Fraction(1, 2)), (641, 361), (320, 180)),
        (ReadOptions(scale=Fraction(2)), (64, 48), (128, 96)),
        (ReadOptions(max_side=16), (16, 4096), (2, 16)),
    ],
)
def test_a_size_is_fitted_in_shape_and_even(
    reading: ReadOptions, size: tuple[int, int], fitted: tuple[int, int]
) -> None:
    assert reading.fitted(size) == fitted


def test_a_file_is_painted_no_larger_than_asked_for(tmp_path: Path, identity: Path, nst_live: NstLive) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 2, size=(128, 96))
    assert painted(nst_live, identity, clip, "small.mp4", "--max-size", 64).size == (64, 48)
    assert painted(nst_live, identity, clip, "half.mp4", "--scale", "1/2").size == (64, 48)


def test_a_size_of_another_shape_is_shown_in_the_original_shape(
    tmp_path: Path, identity: Path, nst_live: NstLive
) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 2, size=(128, 64))
    assert painted(nst_live, identity, clip, "painted.mp4", "--size", "64x64").size == (64, 64)
    with av.open("painted.mp4") as container:
        assert container.streams.video[0].sample_aspect_ratio == 2


# what it is encoded with ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoder", "suffix", "codec"),
    [
        ("libx264", ".mp4", "h264"),
        ("libx265", ".mp4", "hevc"),
        ("libvpx-vp9", ".webm", "vp9"),
        ("libvpx-vp9", ".mp4", "vp9"),
        ("libsvtav1", ".mkv", "av1"),
        ("libsvtav1", ".mp4", "av1"),
        ("ffv1", ".mkv", "ffv1"),
    ],
)
def test_every_encoder_keeps_number_time_and_colours(
    encoder: str, suffix: str, codec: str, identity: Path, nst_live: NstLive
) -> None:
    size = (128, 96)
    clip = write_clip(Path("clip.mp4"), 10, rate=RATE, size=size, draw=colourful, codec_options={"crf": "5"})
    result = painted(nst_live, identity, clip, f"painted{suffix}", "--encoder", encoder)
    with av.open(f"painted{suffix}") as container:
        assert container.streams.video[0].codec_context.codec.canonical_name == codec
    assert result.times == [index / RATE for index in range(10)]
    for before, after in zip(read_clip(clip).pictures, result.pictures, strict=True):
        assert np.abs(before.astype(int) - after).mean() < 3


def test_ffv1_holds_exactly_what_was_painted(tmp_path: Path, identity: Path, nst_live: NstLive) -> None:
    for index in range(1, 4):
        save(tmp_path / f"frame_{index:03d}.png", colourful(index))
    result = painted(nst_live, identity, tmp_path / "frame_%03d.png", "painted.mkv", "--encoder", "ffv1")
    for index, picture in enumerate(result.pictures, start=1):
        assert np.array_equal(picture, colourful(index))


def save(path: Path, pixels: Pixels) -> None:
    with av.open(str(path), "w", format="image2", options={"update": "1"}) as container:
        stream = container.add_stream("png")
        stream.height, stream.width = pixels.shape[:2]
        stream.pix_fmt = "rgb24"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))


def test_a_lower_crf_makes_a_better_and_larger_file(tmp_path: Path, identity: Path, nst_live: NstLive) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 10, size=(128, 96), draw=colourful)
    for crf in (10, 40):
        painted(nst_live, identity, clip, f"crf{crf}.mp4", "--crf", crf)
    assert Path("crf10.mp4").stat().st_size > 1.5 * Path("crf40.mp4").stat().st_size


@pytest.mark.parametrize(
    ("output", "options", "words"),
    [
        (
            "p.webm",
            ["--encoder", "libx264"],
            ".webm cannot hold libx264; expected a name ending in .mp4",
        ),
        ("p.mkv", ["--encoder", "ffv1", "--crf", "3"], "ffv1 is lossless and takes no --crf"),
        ("p.mp4", ["--crf", "60"], "--crf 60 is too high for libx264; expected 0 (best) to 51"),
        ("p.mp4", ["--preset", "quick"], "libx264 has no preset 'quick'; expected one of ultrafast, superfast"),
    ],
)
def test_options_that_do_not_go_together_give_exit_code_2(
    output: str, options: list[str], words: str, identity: Path, nst_live: NstLive
) -> None:
    write_clip(Path("clip.mp4"), 2)
    result = nst_live("-i", "clip.mp4", "-o", output, "--style", identity, *options)
    assert result.code == 2
    assert words in result.complaint
    assert not Path(output).exists()


def test_an_encoder_that_does_not_run_here_gives_exit_code_4(tmp_path: Path, identity: Path, nst_live: NstLive) -> None:
    if Path("/dev/nvidia0").exists():
        pytest.skip("an NVIDIA card may well run it")
    write_clip(tmp_path / "clip.mp4", 2)
    result = nst_live("-i", "clip.mp4", "-o", "p.mp4", "--style", identity, "--encoder", "h264_nvenc")
    assert result.code == 4
    assert "h264_nvenc does not start here" in result.complaint
    assert "it needs an NVIDIA card with its driver" in result.complaint
    assert not Path("p.mp4").exists()


def test_presets_are_those_of_each_encoder(tmp_path: Path, identity: Path, nst_live: NstLive) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 2)
    for name in ("libx264", "libx265", "libsvtav1"):
        painted(nst_live, identity, clip, f"{name}.mp4", "--encoder", name, "--preset", ENCODERS[name].presets[-2])


# image sequences, GIF ------------------------------------------------------------------------------------------------


def test_an_image_sequence_is_a_video_at_the_requested_rate(tmp_path: Path, identity: Path, nst_live: NstLive) -> None:
    for index in range(7, 12):
        save(tmp_path / f"in_{index:04d}.png", numbered(index))
    result = painted(nst_live, identity, tmp_path / "in_%04d.png", "painted.mp4", "--fps", "10")
    assert result.numbers == [7, 8, 9, 10, 11]
    assert result.times == [Fraction(index, 10) for index in range(5)]


def test_a_video_becomes_an_image_sequence(tmp_path: Path, identity: Path, nst_live: NstLive) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 12)
    result = nst_live("-i", clip, "-o", "out_%03d.png", "--style", identity, "--steady", 0)
    assert result.code == 0, result.err
    pictures = sorted(tmp_path.glob("out_*.png"))
    assert [picture.name for picture in pictures] == [f"out_{index:03d}.png" for index in range(1, 13)]
    assert [number_of(read_clip(picture).pictures[0]) for picture in pictures] == list(range(12))
    again = nst_live("-i", clip, "-o", "out_%03d.png", "--style", identity)
    assert again.code == 2
    assert "exists; to overwrite it, add -y" in again.complaint


def test_an_image_sequence_that_does_not_exist_says_how_one_is_named(nst_live: NstLive) -> None:
    result = nst_live("-i", "in_%04d.png", "-o", "painted.mp4")
    assert result.code == 3
    assert "no file matches in_%04d.png; expected numbered images, e.g. frame_00001.png" in result.complaint


def test_a_gap_in_an_image_sequence_is_reported(tmp_path: Path, identity: Path, nst_live: NstLive) -> None:
    for index in (1, 2, 9):
        save(tmp_path / f"in_{index:04d}.png", numbered(index))
    result = nst_live("-i", "in_%04d.png", "-o", "painted.mp4", "--style", identity)
    assert result.code == 3
    assert "only 2 of 3 frames could be read" in result.complaint


def test_gif_keeps_times_and_colours(tmp_path: Path, identity: Path, nst_live: NstLive) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 6, rate=Fraction(10), draw=colourful, codec_options={"crf": "5"})
    result = painted(nst_live, identity, clip, "painted.gif")
    assert result.times == [Fraction(index, 10) for index in range(6)]
    for before, after in zip(read_clip(clip).pictures, result.pictures, strict=True):
        assert np.abs(before.astype(int) - after).mean() < 10


@needs_ffmpeg
def test_the_cover_of_a_video_is_kept_or_named(tmp_path: Path, identity: Path, nst_live: NstLive) -> None:
    save(tmp_path / "cover.png", colourful(3))
    film = "-f lavfi -i testsrc=size=64x48:rate=25:duration=0.4 -i cover.png -map 0 -map 1 -c:v:0 libx264"
    cover = "-pix_fmt:v:0 yuv420p -c:v:1 copy -disposition:v:1 attached_pic clip.mp4"
    subprocess.run(["ffmpeg", "-loglevel", "error", *film.split(), *cover.split()], check=True, cwd=tmp_path)
    assert len(painted(nst_live, identity, Path("clip.mp4"), "painted.mkv").pictures) == 10
    with av.open("painted.mkv") as container:
        (packet, *_) = container.demux(video=1)
        assert bytes(packet) == Path("cover.png").read_bytes()
    result = nst_live("-i", "clip.mp4", "-o", "painted.mp4", "--style", identity)
    assert "cover png is left out: mp4 cannot hold it" in result.err
