"""Audio and subtitles are copied to the painted file unchanged, packet by packet."""

from __future__ import annotations

import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from realtime.frames import ClipRange, Frame
from realtime.media.video_encoder import VideoTrack
from realtime.sinks.recorder import FileRecorder

pytestmark = pytest.mark.skipif(
    shutil.which("ffmpeg") is None, reason="ffmpeg, which makes the clips, is not installed"
)
RATE = Fraction(25)
SUBTITLES = "1\n00:00:00,200 --> 00:00:00,900\nA ship!\n"


@pytest.fixture
def talkie(tmp_path: Path) -> Path:
    """A clip of one second with two audio tracks, one of them longer, and subtitles."""
    (tmp_path / "words.srt").write_text(SUBTITLES)
    path = tmp_path / "talkie.mkv"
    picture = ["-f", "lavfi", "-i", "testsrc=size=64x48:rate=25:duration=1"]
    sounds = ["-f", "lavfi", "-i", "sine=440:duration=2", "-f", "lavfi", "-i", "sine=880:duration=1"]
    maps = ["-map", "0", "-map", "1", "-map", "2", "-map", "3", "-c:a:0", "aac", "-c:a:1", "ac3", "-c:s", "srt"]
    tags = ["-metadata:s:a:0", "language=ger", "-metadata", "title=A clip"]
    command = ["ffmpeg", "-loglevel", "error", *picture, *sounds, "-i", "words.srt", *maps, *tags, str(path)]
    subprocess.run(command, check=True, cwd=tmp_path)
    return path


def record(talkie: Path, output: Path, frames: int = 25, to_the_end: bool = True) -> FileRecorder:
    with FileRecorder(output, VideoTrack((64, 48), RATE, 1 / RATE), copy_from=ClipRange(talkie)) as recorder:
        for index in range(frames):
            picture = np.full((48, 64, 3), 8 * index, np.uint8)
            recorder.write(picture, Frame(picture, index, 0.0, index / RATE))
        if to_the_end:
            recorder.finish_audio()
    return recorder


def packets(path: Path, kind: str, number: int) -> list[tuple[Fraction, bytes]]:
    with av.open(str(path)) as container:
        stream = [stream for stream in container.streams if stream.type == kind][number]
        return [
            (packet.dts * packet.time_base, bytes(packet))
            for packet in container.demux(stream)
            if packet.dts is not None and packet.time_base is not None
        ]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize("track", [0, 1])
def test_every_packet_of_audio_arrives_unchanged(talkie: Path, tmp_path: Path, suffix: str, track: int) -> None:
    output = tmp_path / f"painted{suffix}"
    record(talkie, output)
    before, after = packets(talkie, "audio", track), packets(output, "audio", track)
    assert len(before) > 20
    assert [data for _, data in after] == [data for _, data in before]
    assert all(abs(late - early) < Fraction(1, 500) for (late, _), (early, _) in zip(after, before, strict=True))


def test_audio_may_outlast_the_video(talkie: Path, tmp_path: Path) -> None:
    record(talkie, tmp_path / "painted.mkv")
    assert packets(tmp_path / "painted.mkv", "audio", 0)[-1][0] > Fraction(19, 10)


def test_a_recording_that_was_stopped_has_audio_only_as_far_as_its_video(talkie: Path, tmp_path: Path) -> None:
    record(talkie, tmp_path / "painted.mkv", frames=10, to_the_end=False)
    assert packets(tmp_path / "painted.mkv", "audio", 0)[-1][0] <= Fraction(10, 25)


def test_titles_and_languages_are_kept(talkie: Path, tmp_path: Path) -> None:
    record(talkie, tmp_path / "painted.mp4")
    with av.open(str(tmp_path / "painted.mp4")) as container:
        assert container.metadata["title"] == "A clip"
        assert container.streams.audio[0].metadata["language"] == "ger"


def test_what_the_format_cannot_hold_is_named(talkie: Path, tmp_path: Path) -> None:
    def left_out(suffix: str) -> list[str]:
        return [note.split(" is left out")[0] for note in record(talkie, tmp_path / f"painted{suffix}").notes]

    assert left_out(".mkv") == []
    assert left_out(".mp4") == ["subtitle srt"]
    assert left_out(".webm") == ["audio aac (ger)", "audio ac3", "subtitle srt"]


def test_subtitles_are_kept_if_the_container_can_hold_them(talkie: Path, tmp_path: Path) -> None:
    record(talkie, tmp_path / "painted.mkv")
    assert packets(tmp_path / "painted.mkv", "subtitle", 0)[0][1] == b"A ship!"
