"""One bad thing in a file does not end the rest: what is whole is painted and heard, and what is lost is reported."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from realtime.media.decoding import frame_rate
from realtime.media.rates import clock_for, exact_rate
from realtime.media.stated_size import is_cut_off
from realtime.sources.network_stream import NetworkStream
from realtime.sources.open import is_file
from realtime.sources.video_file import VideoFile
from styles.support.terminal import printable
from tests.realtime.conftest import NstLive
from tests.realtime.servers import TcpStream

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg, which makes the files, is missing")

VIDEO = "-f lavfi -i testsrc2=size=64x48:rate=25:duration=2"
SOUND = "-f lavfi -i sine=440:duration=2"
X264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p"
FRAMES = 50
# Codecs of files that are cut off, by suffix.
CODECS = {
    ".flv": f"{X264} -c:a aac",
    ".ts": f"{X264} -c:a aac",
    ".mkv": f"{X264} -c:a flac",
    ".webm": "-c:v libvpx -deadline realtime -c:a libopus",
    ".avi": "-c:v mpeg4 -c:a mp3",
    ".wmv": "-c:v wmv2 -c:a wmav2",
}


def ffmpeg(folder: Path, arguments: str, name: str) -> Path:
    subprocess.run(["ffmpeg", "-loglevel", "error", "-y", *shlex.split(arguments), name], cwd=folder, check=True)
    return folder / name


def packets_of(path: Path, kind: str) -> list[Any]:
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        return [packet for packet in container.demux(stream) if packet.dts is not None]


@pytest.mark.parametrize("suffix", list(CODECS))
def test_a_file_that_was_cut_off_is_painted_as_far_as_it_goes_and_reported(
    suffix: str, tmp_path: Path, identity: Path, nst_live: NstLive
) -> None:
    look = ("--style", identity, "--steady", 0)
    whole = ffmpeg(tmp_path, f"{VIDEO} {SOUND} {CODECS[suffix]}", f"whole{suffix}")
    told = nst_live("-i", whole, "-o", "of-whole.mkv", *look)
    assert told.code == 0, told.err
    assert "cut off" not in told.err
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 11 // 20 // 188 * 188 + 7])
    told = nst_live("-i", cut, "-o", "painted.mkv", *look)
    assert told.code == 3
    assert f"{cut} is damaged or cut off: only " in told.complaint
    count = len(packets_of(tmp_path / "painted.mkv", "video"))
    assert 10 < count < FRAMES
    assert f"painted {count} frames" in told.err


def test_subtitles_may_outlast_the_film(tmp_path: Path) -> None:
    (tmp_path / "words.srt").write_text("1\n00:00:01,000 --> 00:00:09,000\nStill there\n")
    film = ffmpeg(tmp_path, f"{VIDEO} {SOUND} -i words.srt -map 0 -map 1 -map 2 {X264} -c:s srt", "film.mkv")
    with VideoFile(film) as source:
        assert len(list(source.frames())) == FRAMES
        assert source.shortfall is None


def test_only_what_states_its_size_can_be_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "some"
    for data, name, cut in (
        (b"RIFF" + (100).to_bytes(4, "little") + bytes(100), "avi", False),
        (b"RIFF" + (101).to_bytes(4, "little") + bytes(100), "avi", True),
        (20 * (b"G" + bytes(187)), "mpegts", False),
        (20 * (b"G" + bytes(187)) + b"G", "mpegts", True),
        (20 * (bytes(4) + b"G" + bytes(187)), "mpegts", False),
        (20 * (bytes(4) + b"G" + bytes(187)) + b"G", "mpegts", True),
        (bytes(5000), "mpegts", False),
        (b"", "asf", False),
        (bytes(5000), "matroska,webm", False),
    ):
        path.write_bytes(data)
        assert is_cut_off(path, name) == cut, (name, len(data))


def test_a_track_of_an_unknown_codec_is_left_out(tmp_path: Path, identity: Path, nst_live: NstLive) -> None:
    film = ffmpeg(tmp_path, f"{VIDEO} {SOUND} {X264} -c:a flac", "film.mkv")
    film.write_bytes(film.read_bytes().replace(b"A_FLAC", b"A_FLAX"))
    told = nst_live("-i", film, "-o", "painted.mkv", "--style", identity, "--steady", 0)
    assert told.code == 0, told.err
    assert "audio unknown is left out: its codec is unknown" in told.err
    assert len(packets_of(tmp_path / "painted.mkv", "video")) == FRAMES


def test_a_track_that_is_announced_and_empty_is_left_out(tmp_path: Path, identity: Path, nst_live: NstLive) -> None:
    film = ffmpeg(tmp_path, f"{VIDEO} {SOUND} {X264} -c:a aac", "film.ts")
    data = film.read_bytes()
    packets = [data[at : at + 188] for at in range(0, len(data), 188)]
    sound_pid = 0x101
    film.write_bytes(b"".join(each for each in packets if int.from_bytes(each[1:3], "big") & 0x1FFF != sound_pid))
    told = nst_live("-i", film, "-o", "painted.mp4", "--style", identity, "--steady", 0)
    assert told.code == 0, told.err
    assert "audio aac is left out" in told.err
    assert len(packets_of(tmp_path / "painted.mp4", "video")) == FRAMES


@pytest.fixture
def joined(tmp_path: Path) -> Path:
    """A broadcast in which sound appears after two seconds."""
    silent = ffmpeg(tmp_path, f"{VIDEO} {X264} -g 10", "silent.ts")
    loud = ffmpeg(tmp_path, f"{VIDEO} {SOUND} {X264} -g 10 -c:a aac -output_ts_offset 2", "loud.ts")
    path = tmp_path / "joined.ts"
    path.write_bytes(silent.read_bytes() + loud.read_bytes())
    return path


def test_a_track_that_appears_later_does_not_end_a_file(
    joined: Path, tmp_path: Path, identity: Path, nst_live: NstLive
) -> None:
    told = nst_live("-i", joined, "-o", "painted.mp4", "--style", identity, "--steady", 0)
    assert told.code == 0, told.err
    assert len(packets_of(tmp_path / "painted.mp4", "video")) == 2 * FRAMES


def test_a_track_that_appears_later_does_not_end_a_live_stream(joined: Path) -> None:
    with TcpStream(joined) as server, NetworkStream(server.url) as source:
        frames = source.frames()
        # FFmpeg looks at some frames to find out what it is, and gives away only those behind them
        for _ in range(FRAMES + 5):
            assert next(frames).pixels.shape == (48, 64, 3)


def test_a_damaged_packet_of_sound_does_not_end_the_sound(tmp_path: Path, identity: Path, nst_live: NstLive) -> None:
    film = ffmpeg(tmp_path, f"{VIDEO} {SOUND} {X264} -c:a ac3", "film.mkv")
    before = packets_of(film, "audio")
    hurt = bytes(before[30])
    data = film.read_bytes()
    assert data.count(hurt) == 1
    film.write_bytes(data.replace(hurt, b"\xff\xff" + hurt[2:]))
    told = nst_live("-i", film, "-o", "painted.mp4", "--style", identity, "--steady", 0)
    assert told.code == 0, told.err
    assert "1 damaged packet of audio ac3 left out (not ac3)" in told.err
    after = packets_of(tmp_path / "painted.mp4", "audio")
    assert [bytes(packet) for packet in after] == [bytes(packet) for packet in before if bytes(packet) != hurt]


def test_sound_that_is_shorter_than_announced_is_reported(tmp_path: Path, identity: Path, nst_live: NstLive) -> None:
    film = ffmpeg(tmp_path, f"{VIDEO} {SOUND} {X264} -c:a aac -movflags faststart", "film.mp4")
    film.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    told = nst_live("-i", film, "-o", "painted.mp4", "--style", identity, "--steady", 0)
    assert told.code == 3
    assert "audio aac (und) is cut off: " in told.err
    assert " of 2.0 s could be read" in told.err


@pytest.mark.parametrize("codec", ["aac", "libmp3lame", "ac3", "flac"])
def test_sound_stays_in_step_from_mp4_to_matroska(
    codec: str, tmp_path: Path, identity: Path, nst_live: NstLive
) -> None:
    """MP4 says what to cut from a sound's beginning, Matroska cannot: both move alike."""
    beep = "-f lavfi -i \"aevalsrc='if(gt(t,1),0.5*sin(2*PI*1000*t),0)':d=2:s=48000\""
    film = ffmpeg(tmp_path, f"{VIDEO} {beep} {X264} -strict -2 -c:a {codec}", "film.mp4")
    assert nst_live("-i", film, "-o", "painted.mkv", "--style", identity, "--steady", 0).code == 0
    assert begin_of_sound(film) == pytest.approx(1, abs=0.001)
    assert begin_of_sound(tmp_path / "painted.mkv") == pytest.approx(1, abs=0.002)


def begin_of_sound(path: Path) -> float:
    """Returns when a file's silence ends, in seconds after its first frame."""
    first_s = min(Fraction(packet.pts * packet.time_base) for packet in packets_of(path, "video"))
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            samples = frame.to_ndarray().astype(float)[0]
            loud = np.abs(samples) > 0.05 * (1 if "fl" in frame.format.name else 2**15)
            if loud.any():
                at_s = (frame.pts or 0) * (frame.time_base or Fraction(1))
                return float(at_s - first_s) + int(np.argmax(loud)) / frame.sample_rate
    raise AssertionError("it is silent")


def test_an_encoder_that_takes_no_frames_of_that_size_blames_the_size(nst_live: NstLive, identity: Path) -> None:
    told = nst_live("-i", "test", "--size", "20000x32", "--frames", 2, "-o", "painted.mp4", "--style", identity)
    assert told.code == 2
    assert "cannot write painted.mp4: libx264 cannot encode frames of 20000x32" in told.complaint
    assert "--max-size" in told.complaint
    assert "backend" not in told.err, "no net is loaded for them"


# rates ----------------------------------------------------------------------------------------------------------------


class _Stated:
    """What a stream says of its rate."""

    def __init__(self, guessed: Fraction | None, average: Fraction | None) -> None:
        self.guessed_rate, self.average_rate = guessed, average


@pytest.mark.parametrize(
    ("stated", "taken"),
    [
        ((Fraction(25), Fraction(24)), Fraction(25)),
        ((Fraction(90_000), Fraction(2997, 100)), Fraction(30_000, 1001)),
        ((Fraction(2**31), Fraction(10**9)), Fraction(25)),
        ((None, None), Fraction(25)),
        ((Fraction(0), Fraction(-1)), Fraction(25)),
    ],
)
def test_a_rate_that_nobody_can_mean_is_not_believed(stated: Sequence[Fraction | None], taken: Fraction) -> None:
    assert frame_rate(_Stated(*stated)) == taken


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30_000, 1001), Fraction(16_666_667, 555_557), Fraction(1, 3)])
@pytest.mark.parametrize("time_base", [Fraction(1, 2**31 - 1), Fraction(1, 10**9), Fraction(1, 12_800), Fraction(1)])
def test_the_numbers_of_a_clock_fit_into_31_bits(rate: Fraction, time_base: Fraction) -> None:
    rate = exact_rate(rate)
    tick = clock_for(rate, time_base)
    assert (1 / rate / tick).denominator == 1
    assert tick <= max(time_base, Fraction(1, 500_000))
    assert max(tick.denominator, rate.numerator, rate.denominator) < 2**31


# names ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ("C://films/a.mp4", True),
        ("./rtsp://a", True),
        ("12:30.mp4", True),
        ("rtsp://host/live", False),
        ("HTTP://host/a.mp4", False),
        ("test", False),
    ],
)
def test_a_name_is_told_from_an_address(text: str, file: bool) -> None:
    assert is_file(text) == file


def test_what_a_terminal_would_obey_is_written_out(tmp_path: Path, identity: Path, nst_live: NstLive) -> None:
    assert printable("plain [b] 50 % äöü ‰") == "plain [b] 50 % äöü ‰"
    assert printable("a\x1b[31mb\x07\x9b") == r"a\x1b[31mb\x07\x9b"
    ffmpeg(tmp_path, f"{VIDEO} {X264}", "a.mp4").rename(tmp_path / "red\x1b[31m.mp4")
    told = nst_live("-i", "red\x1b[31m.mp4", "-o", "painted.mp4", "--style", identity, "--steady", 0)
    assert told.code == 0, told.err
    assert r"red\x1b[31m.mp4 64x48" in told.err
    assert "\x1b" not in told.err
