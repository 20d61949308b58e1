"""Recordings can be played: all of them, at their size and speed, in their colors, and after a crash up to there."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from realtime.frames import Frame, Pixels
from realtime.media.encoders import OutputError
from realtime.media.rates import LIVE_TIME_BASE
from realtime.media.video_encoder import VideoTrack
from realtime.sinks.recorder import FileRecorder, RecordingError, check_output, unused_path
from tests.conftest import ROOT
from tests.realtime.clips import NTSC, SIZE, Clip, colourful, noisy, numbered, read_clip, top_boxes

EVERY_FORMAT = pytest.mark.parametrize("suffix", [".mp4", ".m4v", ".mov", ".mkv", ".webm"])
ENCODERS = {".webm": "vp9"}


def frame(index: int, at: Fraction | None = None, captured_at_s: float = 0.0) -> Frame:
    return Frame(numbered(0), index, captured_at_s, at)


def recorded(path: Path, pictures: list[Pixels], rate: Fraction = NTSC) -> Clip:
    """Records pixels as the frames of a file of that rate, and returns what plays."""
    height, width = pictures[0].shape[:2]
    with FileRecorder(path, VideoTrack((width, height), rate, 1 / rate)) as recorder:
        for index, picture in enumerate(pictures):
            recorder.write(picture, frame(index, index / rate))
    assert recorder.frame_count == len(pictures)
    return read_clip(path)


def psnr(one: Pixels, other: Pixels) -> float:
    """Returns the peak signal-to-noise ratio of two frames in dB."""
    return float(10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2)))


@EVERY_FORMAT
def test_every_frame_plays_once_at_its_time_in_every_format(suffix: str, tmp_path: Path) -> None:
    clip = recorded(tmp_path / f"clip{suffix}", [numbered(index) for index in range(40)])
    assert clip.numbers == list(range(40))
    assert clip.size == SIZE
    assert clip.codec == ENCODERS.get(suffix, "h264")
    assert clip.pixel_format == "yuv420p"
    # Matroska's clock ticks in milliseconds
    assert all(abs(at - index / NTSC) < Fraction(1, 1000) for index, at in enumerate(clip.times))
    if suffix in (".mp4", ".mov", ".m4v"):
        assert clip.rate == Fraction(30000, 1001)
        assert clip.times == [index / NTSC for index in range(40)]


@EVERY_FORMAT
def test_one_frame_can_be_recorded(suffix: str, tmp_path: Path) -> None:
    assert recorded(tmp_path / f"clip{suffix}", [numbered(7)]).numbers == [7]


@EVERY_FORMAT
def test_colours_survive(suffix: str, tmp_path: Path) -> None:
    pictures = [colourful(index, (96, 64)) for index in range(8)]
    clip = recorded(tmp_path / f"clip{suffix}", pictures)
    # chroma at half the resolution alone takes this down to 39 dB; swapped channels or a wrong matrix give less than 25
    assert min(psnr(got, wanted) for got, wanted in zip(clip.pictures, pictures, strict=True)) > 32


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (250, 200, 30)])
@pytest.mark.parametrize("size", [(64, 48), (1280, 720)], ids=["BT.601", "BT.709"])
def test_a_plain_colour_stays_that_colour_in_both_matrices(
    colour: tuple[int, int, int], size: tuple[int, int], tmp_path: Path
) -> None:
    plain = np.full((size[1], size[0], 3), colour, np.uint8)
    clip = recorded(tmp_path / "clip.mp4", [plain])
    assert np.abs(clip.pictures[0].astype(int) - colour).max() <= 4


@pytest.mark.parametrize("size", [(65, 49), (64, 49), (65, 48), (17, 16)])
@EVERY_FORMAT
def test_an_odd_side_is_kept_or_its_last_line_repeated(suffix: str, size: tuple[int, int], tmp_path: Path) -> None:
    pictures = [colourful(index, size) for index in range(3)]
    clip = recorded(tmp_path / f"clip{suffix}", pictures)
    # H.264 has no odd sides, VP9 has
    assert clip.size == (size if suffix == ".webm" else (size[0] + size[0] % 2, size[1] + size[1] % 2))
    assert psnr(clip.pictures[0][: size[1], : size[0]], pictures[0]) > 25


def test_a_frame_of_another_size_is_scaled_to_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with FileRecorder(path, VideoTrack(SIZE, NTSC, 1 / NTSC)) as recorder:
        for index in range(4):
            recorder.write(numbered(index, (96, 80) if index % 2 else SIZE), frame(index, index / NTSC))
    clip = read_clip(path)
    assert clip.size == SIZE
    assert clip.numbers == [0, 1, 2, 3]


def test_frames_at_a_variable_rate_keep_their_times(tmp_path: Path) -> None:
    ticks = [0, 1, 5, 6, 30, 31]
    with FileRecorder(tmp_path / "clip.mp4", VideoTrack(SIZE, Fraction(25), Fraction(1, 25))) as recorder:
        for index, tick in enumerate(ticks):
            recorder.write(numbered(index), frame(index, Fraction(tick, 25)))
    clip = read_clip(tmp_path / "clip.mp4")
    assert clip.times == [Fraction(tick, 25) for tick in ticks]


@pytest.mark.parametrize("times", [[0, 0.04, 0.5, 2, 2.04], [0, 2, 4, 6, 8], [0, 0.04, 0.5, 2]], ids=str)
@EVERY_FORMAT
def test_pauses_lose_no_frame(times: list[float], suffix: str, tmp_path: Path) -> None:
    with FileRecorder(tmp_path / f"clip{suffix}", VideoTrack(SIZE, Fraction(25), Fraction(1, 100))) as recorder:
        for index, at_s in enumerate(times):
            recorder.write(numbered(index), frame(index, Fraction(round(100 * at_s), 100)))
    clip = read_clip(tmp_path / f"clip{suffix}")
    assert clip.numbers == list(range(len(times)))
    assert [float(at) for at in clip.times] == pytest.approx(times, abs=0.001)


def test_live_frames_are_stamped_with_the_time_of_their_capture(tmp_path: Path) -> None:
    captured_at_s = [1000.0, 1000.04, 1000.5, 1002.0]
    with FileRecorder(tmp_path / "clip.mp4", VideoTrack(SIZE, Fraction(30), live=True)) as recorder:
        for index, at_s in enumerate(captured_at_s):
            recorder.write(numbered(index), frame(index, captured_at_s=at_s))
    clip = read_clip(tmp_path / "clip.mp4")
    assert [float(at) for at in clip.times] == pytest.approx([0, 0.04, 0.5, 2.0], abs=float(LIVE_TIME_BASE))
    assert clip.numbers == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "times",
    [[Fraction(0)] * 5, [Fraction(k, 25) for k in (0, 3, 2, 1, 4)], [Fraction(k, 1000) for k in range(5)]],
    ids=["all at once", "backwards", "faster than the clock"],
)
def test_times_always_increase(times: list[Fraction], tmp_path: Path) -> None:
    with FileRecorder(tmp_path / "clip.mp4", VideoTrack(SIZE, Fraction(25), Fraction(1, 25))) as recorder:
        for index, at in enumerate(times):
            recorder.write(numbered(index), frame(index, at))
    clip = read_clip(tmp_path / "clip.mp4")
    assert clip.numbers == [0, 1, 2, 3, 4]
    assert all(earlier < later for earlier, later in pairwise(clip.times))


def test_a_finished_mp4_is_an_ordinary_one_without_fragments(tmp_path: Path) -> None:
    recorded(tmp_path / "clip.mp4", [noisy(index) for index in range(70)])
    boxes = top_boxes(tmp_path / "clip.mp4")
    assert b"moov" in boxes
    assert b"moof" not in boxes


def test_closing_twice_does_no_harm(tmp_path: Path) -> None:
    recorder = FileRecorder(tmp_path / "clip.mp4", VideoTrack(SIZE, NTSC, 1 / NTSC))
    recorder.write(numbered(3), frame(0, Fraction(0)))
    recorder.close()
    recorder.close()
    assert read_clip(tmp_path / "clip.mp4").numbers == [3]


def partial_of(path: Path) -> Path:
    """Returns where a file lies while it is written."""
    return path.with_stem(f"{path.stem}.partial")


def test_an_error_in_the_loop_leaves_a_finished_part(tmp_path: Path) -> None:
    def loop() -> None:
        with FileRecorder(tmp_path / "clip.mp4", VideoTrack(SIZE, NTSC, 1 / NTSC)) as recorder:
            recorder.write(numbered(3), frame(0, Fraction(0)))
            raise ValueError("from the loop")

    with pytest.raises(ValueError, match="from the loop"):
        loop()
    assert read_clip(tmp_path / "clip.partial.mp4").numbers == [3]
    assert not (tmp_path / "clip.mp4").exists()


# when it goes wrong ---------------------------------------------------------------------------------------------------

RECORD_FOR_EVER = """
    import itertools, sys
    from fractions import Fraction
    from pathlib import Path
    from realtime.frames import Frame
    from realtime.media.video_encoder import VideoTrack
    from realtime.sinks.recorder import FileRecorder, RecordingError
    from tests.realtime.clips import noisy

    rate = Fraction(30)
    with FileRecorder(Path(sys.argv[1]), VideoTrack((64, 48), rate, 1 / rate)) as recorder:
        for index in itertools.count():
            recorder.write(noisy(index), Frame(noisy(0), index, 0.0, index / rate))
"""


def python(code: str, *arguments: object, prelude: str = "") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", prelude + textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def wait_for_size(path: Path, size: int, process: subprocess.Popen[str]) -> None:
    deadline_s = time.monotonic() + 60
    while not path.is_file() or path.stat().st_size < size:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline_s, f"{path} does not grow"
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform == "win32", reason="a process is not killed like this on Windows")
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_a_recording_whose_process_is_killed_plays_up_to_there(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"clip{suffix}"
    with python(RECORD_FOR_EVER, path) as process:
        wait_for_size(partial_of(path), 250_000, process)
        process.send_signal(signal.SIGKILL)
    clip = read_clip(partial_of(path))
    # the second that was not yet written as a fragment is lost, and what the encoder still held
    assert len(clip.pictures) >= 30
    assert psnr(clip.pictures[10], noisy(10)) > psnr(clip.pictures[10], noisy(11)) + 2


RECORD_A_STILL = """
    import itertools, sys
    from fractions import Fraction
    from pathlib import Path
    from realtime.frames import Frame
    from realtime.media.encoders import Encoding
    from realtime.media.video_encoder import VideoTrack
    from realtime.sinks.recorder import FileRecorder
    from tests.realtime.clips import numbered

    rate, live = Fraction(sys.argv[3]), sys.argv[2] == "live"
    track = VideoTrack((64, 48), rate, live=live) if live else VideoTrack((64, 48), rate, 1 / rate)
    with FileRecorder(Path(sys.argv[1]), track, encoding=Encoding(low_latency=live)) as recorder:
        for index in itertools.count():
            recorder.write(numbered(7), Frame(numbered(7), index, float(index / rate), index / rate))
            print(index, file=sys.stderr, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a process is not killed like this on Windows")
@pytest.mark.parametrize(("kind", "rate"), [("live", 30), ("file", 30), ("file", 6)])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_a_recording_that_is_killed_plays_to_within_two_seconds_of_its_end(
    suffix: str, kind: str, rate: int, tmp_path: Path
) -> None:
    path = tmp_path / f"clip{suffix}"
    # a still takes so few bytes that they would be buffered for long
    with python(RECORD_A_STILL, path, kind, rate) as process:
        assert process.stderr is not None
        written = 0
        for line in process.stderr:
            written = int(line)
            if written >= 150:
                break
        process.send_signal(signal.SIGKILL)
        written = max([written, *map(int, process.stderr.read().split())])
    clip = read_clip(partial_of(path))
    assert Fraction(written, rate) - clip.times[-1] < 2
    assert set(clip.numbers) == {7}


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit on Windows")
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_a_file_that_may_not_grow_ends_the_recording_and_plays_up_to_there(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"clip{suffix}"
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (250_000, 250_000))\n"
    with python(RECORD_FOR_EVER, path, prelude=limit) as process:
        result = process.communicate()[1]
    assert process.returncode == 1
    last = result.strip().splitlines()[-1]
    assert last.startswith(f"realtime.sinks.recorder.RecordingError: recording into {path} stopped after ")
    assert_kept_is_what_decodes(last, path, "File too large")


def assert_kept_is_what_decodes(text: str, path: Path, reason: str) -> None:
    """Checks that a message promises what a player shows of the part that was written."""
    said = re.search(rf": {reason}; (\d+) frames are kept in {re.escape(str(partial_of(path)))}$", text)
    assert said is not None, text
    assert len(read_clip(partial_of(path)).pictures) == int(said[1]) >= 30
    assert not path.exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 250 KB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=250k", "tmpfs", str(disk)]
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    if subprocess.run(mount, stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fill(path: Path) -> Exception:
    """Records until the disk is full, and returns the error."""
    with pytest.raises((RecordingError, OutputError)) as caught:
        recorded(path, [noisy(index) for index in range(150)])
    return caught.value


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_a_disk_that_fills_up_ends_the_recording_and_the_file_plays_up_to_there(suffix: str, small_disk: Path) -> None:
    path = small_disk / f"clip{suffix}"
    text = str(fill(path))
    assert text.startswith(f"recording into {path} stopped after ")
    assert_kept_is_what_decodes(text, path, "the disk is full")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_a_disk_that_is_full_from_the_beginning_is_reported_and_crashes_nothing(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"clip{suffix}"
    path.symlink_to("/dev/full")
    assert re.search("the disk is full|No space left", str(fill(path)))


def test_a_disk_that_fills_up_with_the_last_frame_is_reported_on_closing(small_disk: Path) -> None:
    (small_disk / "nearly all").write_bytes(bytes(220_000))
    recorder = FileRecorder(small_disk / "clip.mp4", VideoTrack((320, 240), NTSC, 1 / NTSC))
    recorder.write(noisy(0, (320, 240)), frame(0, Fraction(0)))
    with pytest.raises(RecordingError, match="stopped after 1 frames: the disk is full"):
        recorder.close()
    recorder.close()


# where to -------------------------------------------------------------------------------------------------------------


def test_an_output_that_cannot_be_written_gives_an_error_with_what_to_type(tmp_path: Path) -> None:
    there, folder = tmp_path / "there.mp4", tmp_path / "folder.mp4"
    there.touch()
    folder.mkdir()
    cases = {
        tmp_path
        / "clip.wmv": "its format is unknown; expected a name ending in .mp4, .m4v, .mov, .mkv, .webm, .gif, .png",
        tmp_path / "clip": "its format is unknown; expected a name ending in .mp4, .m4v, .mov, .mkv, .webm, .gif, .png",
        tmp_path / "no" / "clip.mp4": f"there is no folder {tmp_path / 'no'}; type: mkdir -p {tmp_path / 'no'}",
        folder: "it is a folder",
    }
    for path, reason in cases.items():
        with pytest.raises(OutputError) as caught:
            check_output(path, overwrite=True)
        assert str(caught.value) == f"cannot write {path}: {reason}"
    with pytest.raises(OutputError) as caught:
        check_output(there, overwrite=False)
    assert str(caught.value) == f"{there} exists; to overwrite it, add -y"


def test_an_output_that_can_be_written_is_not_touched_by_the_check(tmp_path: Path) -> None:
    there = tmp_path / "THERE.MP4"
    there.write_bytes(b"kept")
    check_output(there, overwrite=True)
    check_output(tmp_path / "new.webm", overwrite=False)
    assert there.read_bytes() == b"kept"
    assert not (tmp_path / "new.webm").exists()


def test_the_input_is_never_overwritten(tmp_path: Path) -> None:
    there, same = tmp_path / "clip.mp4", tmp_path / "link.mp4"
    there.touch()
    same.symlink_to(there)
    with pytest.raises(OutputError, match="it is the input itself; name another file"):
        check_output(same, overwrite=True, source=str(there))
    check_output(there, overwrite=True, source=str(tmp_path / "other.mp4"))
    check_output(there, overwrite=True, source="http://example.invalid/clip.mp4")


@pytest.mark.parametrize("rate", [50, 240])
def test_a_gif_keeps_its_pace_and_leaves_out_what_comes_too_soon(rate: int, tmp_path: Path) -> None:
    path = tmp_path / "clip.gif"
    with FileRecorder(path, VideoTrack(SIZE, Fraction(rate), Fraction(1, 90_000))) as recorder:
        for index in range(rate):
            # its clock stands still for a moment, as that of a damaged file
            recorder.write(numbered(index), frame(index, Fraction(index if index != 5 else 4, rate)))
    times = read_clip(path).times
    assert len(times) == recorder.frame_count == rate - recorder.left_out
    assert len(times) == pytest.approx(50, abs=2)
    assert min(after - before for before, after in pairwise(times)) >= Fraction(1, 50)
    assert times[-1] == pytest.approx(1, abs=0.05)
    assert recorder.damage == (f".gif shows at most 50 frames a second; left out: {recorder.left_out}",)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".gif"])
def test_a_recording_without_a_frame_leaves_no_file(suffix: str, tmp_path: Path) -> None:
    with FileRecorder(tmp_path / f"clip{suffix}", VideoTrack(SIZE, NTSC, live=True)):
        assert (tmp_path / f"clip.partial{suffix}").exists()
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_cannot_be_written_to_is_reported_before_the_first_frame(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot write .*clip\.mp4: No such file or directory"):
        FileRecorder(tmp_path / "gone" / "clip.mp4", VideoTrack(SIZE, NTSC, live=True))


def test_an_unused_path_counts_up_from_2(tmp_path: Path) -> None:
    paths = []
    for _ in range(3):
        paths.append(unused_path(tmp_path, "nst-live", ".mp4"))
        paths[-1].touch()
    assert [path.name for path in paths] == ["nst-live.mp4", "nst-live-2.mp4", "nst-live-3.mp4"]
