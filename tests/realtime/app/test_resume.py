"""A file that is painted in several runs is, byte for byte, the one that is painted in one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from realtime.frames import Frame, Presentation
from realtime.media.encoders import Encoding, OutputError
from realtime.media.video_encoder import VideoTrack
from realtime.sinks.recorder import FileRecorder
from realtime.sinks.resumable_recorder import ResumableRecorder
from tests.conftest import ROOT
from tests.realtime.clips import colourful, read_clip, write_clip
from tests.realtime.conftest import NstLive

SIZE = (64, 48)
RATE = Fraction(10)
# Four seconds of them make a segment.
LENGTH = 40
COUNT = 100
TICKS = [index + (index % 7 == 3) * 0.5 for index in range(5 * LENGTH)]


class StoppedInTheMiddleError(Exception):
    """Stands for whatever ends a run early."""


def open_segmented(path: Path, encoder: str = "auto", **facts: str) -> ResumableRecorder:
    encoding, presentation = Encoding(encoder), Presentation()
    return ResumableRecorder(
        path,
        VideoTrack(SIZE, RATE, 1 / (2 * RATE), presentation=presentation),
        encoding=encoding,
        copy_from=None,
        fingerprint=facts,
    )


def record(recorder: FileRecorder | ResumableRecorder, numbers: Sequence[int]) -> None:
    for number in numbers:
        picture = colourful(number, SIZE)
        recorder.write(picture, Frame(picture, number, 0.0, Fraction(TICKS[number]) / RATE, 1 / RATE))


def record_and_stop(path: Path, end: int, encoder: str = "auto") -> ResumableRecorder:
    """Records the pictures up to `end` that are not there yet, and is stopped then."""
    recorder = open_segmented(path, encoder)
    with suppress(StoppedInTheMiddleError), recorder:
        for number in range(recorder.done, end):
            recorder.remember(number + 1, partial(colourful, number, SIZE))
            record(recorder, [number])
        raise StoppedInTheMiddleError
    return recorder


def record_in_runs(path: Path, ends: Sequence[int], encoder: str = "auto") -> None:
    """Records all pictures in as many runs as there are ends; all but the last are stopped there."""
    for end in ends[:-1]:
        record_and_stop(path, end, encoder)
    with open_segmented(path, encoder) as recorder:
        record(recorder, range(recorder.done, ends[-1]))
        recorder.finish_audio()


@pytest.mark.parametrize(
    ("name", "encoder"),
    [
        ("a.mp4", "libx264"),
        ("a.mkv", "libx264"),
        ("a.mov", "libx265"),
        ("a.webm", "libvpx-vp9"),
        ("a.mkv", "libsvtav1"),
        ("a.mkv", "ffv1"),
    ],
)
def test_a_file_made_in_several_runs_is_the_one_made_in_one(name: str, encoder: str, tmp_path: Path) -> None:
    for folder in ("one", "several"):
        (tmp_path / folder).mkdir()
    one, several = tmp_path / "one" / name, tmp_path / "several" / name
    record_in_runs(one, [COUNT], encoder)
    record_in_runs(several, [10, 70, 95, COUNT], encoder)
    clips = read_clip(one), read_clip(several)
    assert len(clips[0].pictures) == COUNT
    assert clips[0].times == clips[1].times
    np.testing.assert_array_equal(clips[0].pictures, clips[1].pictures)
    assert [path.name for path in several.parent.iterdir()] == [name], "nothing is left beside it"


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov"])
def test_times_and_size_are_those_of_a_file_without_segments(suffix: str, tmp_path: Path) -> None:
    record_in_runs(tmp_path / f"a.{suffix}", [50, COUNT])
    with FileRecorder(tmp_path / f"b.{suffix}", VideoTrack(SIZE, RATE, 1 / (2 * RATE))) as recorder:
        record(recorder, range(COUNT))
    segmented, plain = read_clip(tmp_path / f"a.{suffix}"), read_clip(tmp_path / f"b.{suffix}")
    assert segmented.times == plain.times
    assert (segmented.size, segmented.codec, segmented.rate) == (plain.size, plain.codec, plain.rate)
    difference = np.abs(np.array(segmented.pictures, int) - np.array(plain.pictures)).mean()
    assert difference < 2, "each is encoded well, and not in the same way"


def test_a_segment_that_is_damaged_is_made_again(tmp_path: Path) -> None:
    record_in_runs(tmp_path / "one.mp4", [COUNT])
    path = tmp_path / "several.mp4"
    last = sorted(record_and_stop(path, 90).folder.glob("*.npz"))[-1]
    last.write_bytes(last.read_bytes()[:-300])
    with open_segmented(path) as recorder:
        assert recorder.done == LENGTH
        record(recorder, range(recorder.done, COUNT))
    np.testing.assert_array_equal(read_clip(path).pictures, read_clip(tmp_path / "one.mp4").pictures)


@pytest.mark.parametrize("suffix", ["npz", "npy"])
@pytest.mark.parametrize("left", [b"", bytes(500)], ids=["empty", "zeros"])
def test_what_a_power_cut_leaves_of_the_last_segment_is_made_again(suffix: str, left: bytes, tmp_path: Path) -> None:
    path = tmp_path / "several.mp4"
    sorted(record_and_stop(path, 90).folder.glob(f"*.{suffix}"))[-1].write_bytes(left)
    with open_segmented(path) as recorder:
        assert recorder.done == LENGTH
        record(recorder, range(recorder.done, COUNT))
    assert len(read_clip(path).pictures) == COUNT


@pytest.mark.parametrize("left", [b"", b"{", b"[]", b"\xff\xfe", None], ids=["empty", "half", "list", "binary", "gone"])
def test_a_folder_that_does_not_say_what_it_is_is_begun_again_and_that_is_said(
    left: bytes | None, tmp_path: Path
) -> None:
    path = tmp_path / "several.mp4"
    job = record_and_stop(path, 90).folder / "job.json"
    if left is None:
        job.unlink()
    else:
        job.write_bytes(left)
    with open_segmented(path) as recorder:
        assert recorder.done == 0
        note = f"{job.parent} does not say what it was painted with: it is painted again"
        assert list(recorder.notes) == [note]
        record(recorder, range(COUNT))
    assert len(read_clip(path).pictures) == COUNT
    assert list(tmp_path.iterdir()) == [path]


def arrays(part: Path) -> dict[str, np.ndarray[Any, Any]]:
    with np.load(part) as archive:
        return dict(archive)


@pytest.mark.parametrize("damage", ["packet sizes", "times", "count", "bytes", "a part"])
def test_a_segment_whose_parts_do_not_fit_is_made_again_and_that_is_said(damage: str, tmp_path: Path) -> None:
    record_in_runs(tmp_path / "one.mp4", [COUNT])
    path = tmp_path / "several.mp4"
    part = record_and_stop(path, 90).folder / "000001.npz"
    kept = arrays(part)
    changes: Mapping[str, dict[str, Any]] = {
        "packet sizes": {"sizes": kept["sizes"] * 2},
        "times": {"times": kept["times"][:, 0]},
        "count": {"frame_count": -3},
        "bytes": {"data": kept["data"][:-1]},
        "a part": {"steadied": None},
    }
    content = {name: array for name, array in {**kept, **changes[damage]}.items() if array is not None}
    np.savez(part, **content)
    with open_segmented(path) as recorder:
        assert list(recorder.notes) == [f"{part} is damaged: painting continues with frame {LENGTH + 1}"]
        record(recorder, range(recorder.done, COUNT))
    np.testing.assert_array_equal(read_clip(path).pictures, read_clip(tmp_path / "one.mp4").pictures)


def test_what_cannot_be_continued_alike_is_begun_again(tmp_path: Path) -> None:
    """What the stabilizer kept is there for the last two segments alone."""
    path = tmp_path / "several.mp4"
    folder = record_and_stop(path, 4 * LENGTH).folder
    assert sorted(path.name for path in folder.glob("*.npy")) == ["000002.npy", "000003.npy"]
    (folder / "000001.npz").write_bytes(b"")
    with suppress(StoppedInTheMiddleError), open_segmented(path) as recorder:
        assert recorder.done == 0
        raise StoppedInTheMiddleError


def test_what_a_run_without_segments_has_left_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.partial.mp4").write_bytes(b"left")
    with open_segmented(tmp_path / "a.mp4") as recorder:
        assert list(recorder.notes) == [f"{tmp_path / 'a.partial.mp4'} is left of an earlier run that could not end"]
    assert (tmp_path / "a.partial.mp4").read_bytes() == b"left"


def test_what_somebody_else_has_put_into_the_folder_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    (record_and_stop(path, 50).folder / "notes.txt").write_text("mine")
    record_in_runs(path, [COUNT])
    assert (tmp_path / "a.mp4.parts" / "notes.txt").read_text() == "mine"


def test_what_was_painted_last_is_there_for_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    record_and_stop(path, 90)
    again = open_segmented(path)
    assert again.done == 2 * LENGTH
    assert again.last_painting is not None
    np.testing.assert_array_equal(again.last_painting, colourful(2 * LENGTH - 1, SIZE))


def test_work_begun_in_another_way_is_not_gone_on_with(tmp_path: Path) -> None:
    with (
        suppress(StoppedInTheMiddleError),
        open_segmented(tmp_path / "a.mp4", strength="1.0", style="wave") as recorder,
    ):
        record(recorder, range(LENGTH))
        raise StoppedInTheMiddleError
    with pytest.raises(OutputError, match=r"a\.mp4\.parts was begun with another strength; give the same options"):
        open_segmented(tmp_path / "a.mp4", strength="0.5", style="wave")


# the command ----------------------------------------------------------------------------------------------------------


def film(path: Path) -> Path:
    """Writes a film with sound, for which a shipped style takes some seconds."""
    silent = write_clip(path.with_stem("silent"), 300, size=(160, 96), rate=Fraction(30), draw=colourful)
    sound = ["-f", "lavfi", "-i", "sine=d=10", "-c:v", "copy", "-shortest"]
    command = ["ffmpeg", "-v", "error", "-i", str(silent), *sound, str(path)]
    subprocess.run(command, check=True)
    return path


def packets_of_sound(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0)]


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
def test_a_film_that_is_killed_again_and_again_becomes_the_one_that_was_not(tmp_path: Path, nst_live: NstLive) -> None:
    clip = film(tmp_path / "film.mp4")
    options = ["-i", str(clip), "--style", "wave", "--resume"]
    assert nst_live(*options, "-o", "whole.mp4").code == 0
    command = [sys.executable, "-m", "realtime.app.main", *options, "-o", "killed.mp4"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for number in range(2):
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
        deadline_s = time.monotonic() + 120
        part = tmp_path / "killed.mp4.parts" / f"{number:06}.npz"
        while not part.exists() and process.poll() is None and time.monotonic() < deadline_s:
            time.sleep(0.01)
        process.kill()
        process.wait()
    assert not (tmp_path / "killed.mp4").exists()
    told = nst_live(*options, "-o", "killed.mp4")
    assert told.code == 0
    assert f"{clip}: 240 frames are painted already" in told.err
    whole, killed = read_clip(tmp_path / "whole.mp4"), read_clip(tmp_path / "killed.mp4")
    assert len(whole.pictures) == 300
    assert killed.times == whole.times
    np.testing.assert_array_equal(killed.pictures, whole.pictures)
    assert packets_of_sound(tmp_path / "killed.mp4") == packets_of_sound(clip)
    assert not (tmp_path / "killed.mp4.parts").exists()
    told = nst_live(*options, "-o", "killed.mp4")
    assert told.code == 0
    assert "killed.mp4 exists, so it counts as painted; to paint it again, add -y" in told.err


def test_a_film_is_steadied_across_the_end_of_a_run(tmp_path: Path, nst_live: NstLive) -> None:
    clip = film(tmp_path / "film.mp4")
    options = ["-i", str(clip), "--style", "wave", "--encoder", "ffv1"]
    assert nst_live(*options, "-o", "plain.mkv").code == 0
    assert nst_live(*options, "-o", "segmented.mkv", "--resume").code == 0
    plain, segmented = read_clip(tmp_path / "plain.mkv"), read_clip(tmp_path / "segmented.mkv")
    np.testing.assert_array_equal(plain.pictures, segmented.pictures)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-i", "test", "-o", "a.mp4"], "--resume is for files; expected -i FILE"),
        (["-i", "clip.mp4"], "--resume needs --output"),
        (["-i", "clip.mp4", "-o", "a_%05d.png"], "--resume is for mp4, mkv, mov and webm"),
        (["-i", "clip.mp4", "-o", "clip.mp4"], "it is the input itself"),
        (["-i", "clip.mp4", "-o", "a.mp4", "--target-fps", "25"], "--resume does not go with --target-fps"),
        (["-i", "clip.mp4", "-o", "a.mp4", "--virtual-cam"], "--resume does not go with --virtual-cam"),
    ],
)
def test_what_cannot_be_resumed_is_refused(options: list[str], words: str, tmp_path: Path, nst_live: NstLive) -> None:
    write_clip(tmp_path / "clip.mp4", 2)
    told = nst_live(*options, "--resume")
    assert told.code == 2
    assert words in told.complaint


def test_other_options_are_another_job(tmp_path: Path, identity: Path, nst_live: NstLive) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 30)
    (tmp_path / "a.mp4.parts").mkdir()
    (tmp_path / "a.mp4.parts" / "job.json").write_text("{}")
    told = nst_live("-i", clip, "-o", "a.mp4", "--style", identity, "--resume")
    assert told.code == 2
    assert "a.mp4.parts was begun with another backend, another " in told.complaint
    assert "to start over, type: rm -r a.mp4.parts" in told.complaint


def test_a_folder_that_is_resumed_goes_on_with_its_films(tmp_path: Path, nst_live: NstLive) -> None:
    (tmp_path / "tree").mkdir()
    film(tmp_path / "tree" / "film.mp4")
    told = nst_live("-i", "tree", "-o", "out", "--style", "wave", "--resume")
    assert told.code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["film.mp4", "silent.mp4"]
    assert packets_of_sound(tmp_path / "out" / "film.mp4") == packets_of_sound(tmp_path / "tree" / "film.mp4")
