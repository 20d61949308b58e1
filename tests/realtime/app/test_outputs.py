"""An output is there whole or not at all; what is left of it otherwise plays and is named; nobody else writes it."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import av
import pytest
from PIL import Image

from styles.support.file_lock import PathLock
from tests.conftest import ROOT
from tests.fuzz.command import command, environment_in
from tests.realtime.clips import cut_off, noisy, write_clip
from tests.realtime.conftest import NstLive, Told

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals, locks and pipes are those of Unix")

PATIENCE_S = 60
OLD = b"what was there before"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Painting:
    """The command in a process of its own, in a folder."""

    def __init__(self, folder: Path, argv: Sequence[str]) -> None:
        self.folder = folder
        environment = environment_in(folder / "home")
        self.process = subprocess.Popen(argv, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)

    def wait_for(self, name: str, size: int = 50_000) -> Path:
        """Waits until a file or folder is there, and a file has a size."""
        path, deadline_s = self.folder / name, time.monotonic() + PATIENCE_S
        while not (path.is_dir() and len(list(path.iterdir())) > 2) and not (path.is_file() and _size(path) >= size):
            assert self.process.poll() is None, self.process.communicate()[1]
            assert time.monotonic() < deadline_s, f"{path} does not grow"
            time.sleep(0.02)
        return path

    def kill(self) -> None:
        """Ends it at once, as a power cut would."""
        self.process.kill()
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()

    def end(self, *signals: signal.Signals) -> Told:
        """Sends signals, waits for the end; returns the answer."""
        for number in signals:
            self.process.send_signal(number)
        _, err = self.process.communicate(timeout=PATIENCE_S)
        assert "Traceback" not in err
        return Told(self.process.returncode, "", err)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # renamed meanwhile
        return 0


Start = Callable[..., Painting]


@pytest.fixture
def start(tmp_path: Path, identity: Path) -> Iterator[Start]:
    """Returns `start("-i", …)`, which starts the command in an empty folder with a net that changes nothing.

    With `limit_kb`, no file may grow beyond that.
    """
    started: list[Painting] = []

    def start_it(*arguments: object, limit_kb: int | None = None) -> Painting:
        argv = command(*arguments, "--style", identity, "--steady", 0)
        limited = [] if limit_kb is None else ["bash", "-c", f'ulimit -f {limit_kb}; exec "$@"', "bash"]
        started.append(Painting(tmp_path, [*limited, *argv]))
        return started[-1]

    yield start_it
    for painting in started:
        painting.kill()


@pytest.fixture(scope="module")
def long_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("film")
    made = "ffmpeg -loglevel error -f lavfi -i testsrc2=size=320x240:rate=25:duration=120 -c:v mpeg4 film.mp4"
    subprocess.run(made.split(), cwd=folder, check=True)
    return folder / "film.mp4"


@pytest.fixture
def film(long_film: Path, tmp_path: Path) -> Path:
    """A film of 3000 frames, which takes some seconds to paint."""
    os.link(long_film, tmp_path / "film.mp4")
    return tmp_path / "film.mp4"


def frames_in(path: Path) -> int:
    """Returns how many frames a player shows, also of a file that is cut off."""
    count = 0
    with av.open(str(path)) as container, suppress(av.error.InvalidDataError):
        for _ in container.decode(video=0):
            count += 1
    return count


def promised(err: str, path: str) -> int:
    """Returns how many frames a part holds, as the command says."""
    said = re.search(rf"^{re.escape(path)} holds the (\d+) frames of \S+ that were painted$", err, flags=re.MULTILINE)
    assert said is not None, err
    return int(said[1])


SCENE = ("-i", "test", "--size", "64x48", "--frames", 10_000_000, "--no-window")


# the name ------------------------------------------------------------------------------------------------------------


def test_the_old_file_is_there_until_the_new_one_is_whole(film: Path, tmp_path: Path, start: Start) -> None:
    (tmp_path / "painted.mp4").write_bytes(OLD)
    (tmp_path / "painted.mp4").chmod(0o640)
    painting = start("-i", film, "-o", "painted.mp4", "-y", "--frames", 2000)
    painting.wait_for("painted.partial.mp4")
    assert (tmp_path / "painted.mp4").read_bytes() == OLD
    assert painting.end().code == 0
    assert frames_in(tmp_path / "painted.mp4") == 2000
    assert (tmp_path / "painted.mp4").stat().st_mode & 0o777 == 0o640
    assert not (tmp_path / "painted.partial.mp4").exists()


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_who_stops_a_film_keeps_the_part_that_is_painted(
    number: signal.Signals, film: Path, tmp_path: Path, start: Start
) -> None:
    painting = start("-i", film, "-o", "painted.mp4")
    painting.wait_for("painted.partial.mp4")
    told = painting.end(number)
    assert told.code == 130
    assert told.err.splitlines()[-1] == "nst-live: stopped"
    assert 0 < promised(told.err, "painted.mp4") == frames_in(tmp_path / "painted.mp4") < 3000
    assert not (tmp_path / "painted.partial.mp4").exists()


def test_who_stops_a_film_in_place_of_another_one_keeps_both(film: Path, tmp_path: Path, start: Start) -> None:
    (tmp_path / "painted.mp4").write_bytes(OLD)
    painting = start("-i", film, "-o", "painted.mp4", "-y")
    painting.wait_for("painted.partial.mp4")
    told = painting.end(signal.SIGTERM)
    assert told.code == 130
    assert (tmp_path / "painted.mp4").read_bytes() == OLD
    assert 0 < promised(told.err, "painted.partial.mp4") == frames_in(tmp_path / "painted.partial.mp4")


def test_stopping_is_how_a_show_ends_so_it_takes_the_place_of_the_old_file(tmp_path: Path, start: Start) -> None:
    (tmp_path / "show.mkv").write_bytes(OLD)
    painting = start(*SCENE, "-o", "show.mkv", "-y")
    painting.wait_for("show.partial.mkv")
    told = painting.end(signal.SIGINT)
    assert told.code == 130
    assert 0 < promised(told.err, "show.mkv") == frames_in(tmp_path / "show.mkv")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".gif"])
def test_what_is_left_after_kill_9_plays_and_the_next_start_names_it(
    suffix: str, film: Path, tmp_path: Path, start: Start
) -> None:
    painting = start("-i", film, "-o", f"painted{suffix}")
    left = painting.wait_for(f"painted.partial{suffix}", 300_000)
    painting.kill()
    assert not (tmp_path / f"painted{suffix}").exists()
    frames = frames_in(left)
    assert frames > 0
    again = start("-i", film, "-o", f"painted{suffix}", "--frames", 10).end()
    assert again.code == 0
    assert f"painted.partial{suffix} is left of an earlier run that could not end" in again.err
    assert frames_in(tmp_path / f"painted{suffix}") == 10
    assert frames_in(left) == frames


def test_a_row_of_pictures_gets_its_names_when_it_is_whole(film: Path, tmp_path: Path, start: Start) -> None:
    painting = start("-i", film, "-o", "row_%04d.png", "--frames", 200)
    painting.wait_for("row_%04d.partial")
    assert not list(tmp_path.glob("row_????.png"))
    assert painting.end().code == 0
    assert len(list(tmp_path.glob("row_????.png"))) == 200
    assert not (tmp_path / "row_%04d.partial").exists()


def test_a_row_of_pictures_that_is_killed_has_whole_pictures(film: Path, tmp_path: Path, start: Start) -> None:
    painting = start("-i", film, "-o", "row_%04d.png")
    folder = painting.wait_for("row_%04d.partial")
    painting.kill()
    count = len(list(folder.glob("row_????.png")))
    # the folder is an input as it is
    told = start("-i", folder / "row_%04d.png", "-o", "again.mkv").end()
    assert told.code == 0
    assert frames_in(tmp_path / "again.mkv") == count > 0
    assert "row_%04d.partial is left of" in start("-i", film, "-o", "row_%04d.png", "--frames", 2).end().err
    assert sorted(path.name for path in tmp_path.glob("row_????.png")) == ["row_0001.png", "row_0002.png"]


def test_a_symbolic_link_stays_one(film: Path, tmp_path: Path, start: Start) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "real.mp4").write_bytes(OLD)
    (tmp_path / "painted.mp4").symlink_to("disk/real.mp4")
    assert start("-i", film, "-o", "painted.mp4", "-y", "--frames", 5).end().code == 0
    assert (tmp_path / "painted.mp4").is_symlink()
    assert frames_in(tmp_path / "disk" / "real.mp4") == 5


def test_what_somebody_else_puts_there_meanwhile_is_not_overwritten(film: Path, tmp_path: Path, start: Start) -> None:
    painting = start("-i", film, "-o", "painted.mp4", "--frames", 1500)
    painting.wait_for("painted.partial.mp4")
    (tmp_path / "painted.mp4").write_bytes(OLD)
    told = painting.end()
    assert told.code == 1
    assert "a file of that name has appeared meanwhile; 1500 frames are kept in painted.partial.mp4" in told.complaint
    assert (tmp_path / "painted.mp4").read_bytes() == OLD
    assert frames_in(tmp_path / "painted.partial.mp4") == 1500


def test_an_error_in_the_middle_leaves_the_part_beside_its_place(film: Path, tmp_path: Path, start: Start) -> None:
    (tmp_path / "painted.mp4").write_bytes(OLD)
    told = start("-i", film, "-o", "painted.mp4", "-y", limit_kb=300).end()
    assert told.code == 1
    said = re.search(r": File too large; (\d+) frames are kept in painted\.partial\.mp4$", told.complaint)
    assert said is not None, told.err
    assert 0 < int(said[1]) == frames_in(tmp_path / "painted.partial.mp4")
    assert (tmp_path / "painted.mp4").read_bytes() == OLD


def test_an_input_that_breaks_off_leaves_nothing_half_under_the_name(
    tmp_path: Path, identity: Path, nst_live: NstLive
) -> None:
    """What could be read is painted to its end, and that is said; the file is whole in itself."""
    whole = write_clip(tmp_path / "clip.mkv", 60, draw=noisy)
    told = nst_live("-i", cut_off(whole, 0.5), "-o", "painted.mkv", "--style", identity)
    assert told.code == 3
    assert 0 < frames_in(tmp_path / "painted.mkv") < 60
    assert not list(tmp_path.glob("*.partial*"))


@pytest.mark.parametrize("how", ["removed", "moved"])
def test_a_folder_that_vanishes_is_an_error(how: str, film: Path, tmp_path: Path, start: Start) -> None:
    (tmp_path / "disk").mkdir()
    painting = start("-i", film, "-o", "disk/painted.mp4")
    painting.wait_for("disk/painted.partial.mp4")
    if how == "removed":
        shutil.rmtree(tmp_path / "disk")
    else:
        (tmp_path / "disk").rename(tmp_path / "moved")
    told = painting.end()
    assert told.code == 1
    assert told.complaint.startswith("nst-live: recording into disk/painted.mp4 stopped after ")
    assert "painted " not in told.err.replace(told.complaint, "").partition("backend:")[2]
    if how == "removed":
        assert told.complaint.endswith("disk/painted.partial.mp4 was removed; nothing of it is kept")


def test_a_folder_of_jobs_that_vanishes_is_an_error(film: Path, tmp_path: Path, start: Start) -> None:
    (tmp_path / "in").mkdir()
    film.rename(tmp_path / "in" / "film.mp4")
    painting = start("-i", "in", "-o", "out")
    painting.wait_for("out/film.partial.mp4")
    shutil.rmtree(tmp_path / "out")
    told = painting.end()
    assert told.code == 1
    assert "recording into out/film.mp4 stopped after " in told.err


def test_resumable_work_whose_folder_vanishes_is_an_error(film: Path, tmp_path: Path, start: Start) -> None:
    painting = start("-i", film, "-o", "painted.mp4", "--resume")
    painting.wait_for("painted.mp4.parts/000001.npz", 1000)
    shutil.rmtree(tmp_path / "painted.mp4.parts")
    told = painting.end()
    assert told.code == 1
    assert "painted.mp4.parts was removed, with all that was painted" in told.complaint
    assert not (tmp_path / "painted.mp4").exists()


def test_an_output_that_fails_beside_others_is_1_and_not_reported_as_painted(
    film: Path, tmp_path: Path, start: Start
) -> None:
    stream = ("--stream", "udp://127.0.0.1:9", "--frames", 100)
    told = start("-i", film, "-o", "painted.mp4", *stream, limit_kb=100).end()
    assert told.code == 1
    assert re.search(r"^nst-live: recording into painted\.mp4 stopped after ", told.err, flags=re.MULTILINE)
    assert re.search(r"^painted 100 frames in ", told.err, flags=re.MULTILINE)
    assert not (tmp_path / "painted.mp4").exists()


@pytest.mark.needs_shared
def test_sound_that_was_damaged_is_reported(shared: Path, identity: Path, nst_live: NstLive) -> None:
    told = nst_live("-i", shared / "awkward" / "damaged-sound.ts", "-o", "painted.mp4", "--style", identity)
    assert re.search(r"^\S+damaged-sound\.ts: 1 damaged packet of audio aac left out \(.*\)$", told.err, re.MULTILINE)


def test_photos_whose_folder_vanishes_are_errors_of_the_output(tmp_path: Path, start: Start) -> None:
    (tmp_path / "in").mkdir()
    for number in range(300):
        Image.new("RGB", (400, 300)).save(tmp_path / "in" / f"{number:03}.jpg")
    painting = start("-i", "in", "-o", "out", "--workers", 1)
    painting.wait_for("out")
    (tmp_path / "out").rename(tmp_path / "gone")  # at once, while files are written into it
    told = painting.end()
    assert told.code == 1
    assert "cannot write out/" in told.err


# two processes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [(), ("--resume",)], ids=["plain", "resumed"])
@pytest.mark.parametrize("second", [(), pytest.param(("--resume",), marks=pytest.mark.long)], ids=["plain", "resumed"])
def test_two_processes_do_not_write_one_file(
    first: Sequence[str], second: Sequence[str], film: Path, tmp_path: Path, start: Start
) -> None:
    painting = start("-i", film, "-o", "painted.mp4", "--frames", 1500, *first)
    painting.wait_for("painted.mp4.parts/000000.npz" if first else "painted.partial.mp4", 1000)
    told = start("-i", film, "-o", "painted.mp4", "-y", "--frames", 5, *second).end()
    assert told.code == 2
    assert re.search("cannot write painted.mp4: another process is (writing|painting) it", told.complaint)
    assert painting.end().code == 0
    assert frames_in(tmp_path / "painted.mp4") == 1500
    assert not list(tmp_path.glob("painted.*part*"))


def test_two_processes_do_not_paint_into_one_folder(film: Path, tmp_path: Path, start: Start) -> None:
    (tmp_path / "in").mkdir()
    film.rename(tmp_path / "in" / "film.mp4")
    painting = start("-i", "in", "-o", "out", "--resume", "--frames", 2000)
    painting.wait_for("out/film.mp4.parts/000000.npz", 1000)
    told = start("-i", "in", "-o", "out", "--resume", "--frames", 2000).end()
    assert (told.code, told.complaint) == (2, "nst-live: cannot write into out: another process is painting into it")
    assert painting.end().code == 0
    assert frames_in(tmp_path / "out" / "film.mp4") == 2000


def test_two_processes_do_not_paint_one_photo(tmp_path: Path, identity: Path, nst_live: NstLive) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "photo.png")
    lock = PathLock(tmp_path / "painted.partial.png")
    told = nst_live("-i", "photo.png", "-o", "painted.png", "--style", identity)
    assert told.code == 2
    assert told.complaint.startswith("nst-live: cannot write painted.png: another process is writing it")
    lock.release()
    assert nst_live("-i", "photo.png", "-o", "painted.png", "--style", identity).code == 0
    assert sorted(path.name for path in tmp_path.glob("p*")) == ["painted.png", "photo.png"]


def test_two_shows_without_a_screen_choose_different_names(tmp_path: Path, start: Start) -> None:
    shows = []
    for name in ("nst-live", "nst-live-2"):
        shows.append(start("-i", "test", "--size", "64x48", "--frames", 10_000_000))
        shows[-1].wait_for(f"{name}.partial.mp4")
    for show in shows:
        assert show.end(signal.SIGINT).code == 130
    assert all(frames_in(tmp_path / f"{name}.mp4") > 0 for name in ("nst-live", "nst-live-2"))


# pipes ---------------------------------------------------------------------------------------------------------------


def pipeline(text: str, folder: Path, identity: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs `nst-live` within a line of the shell."""
    ours = " ".join(command())
    environment = {**environment_in(folder / "home"), "STYLE": f"--style {identity} --steady 0", **variables}
    line = ["bash", "-o", "pipefail", "-c", text.replace("nst-live", ours)]
    return subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    made = "ffmpeg -loglevel error -f lavfi -i testsrc2=size=64x48:rate=25:duration=2 -f lavfi -i sine=d=2 clip.mp4"
    subprocess.run(made.split(), cwd=tmp_path, check=True)
    return tmp_path / "clip.mp4"


@pytest.mark.parametrize("name", ["mpegts", "mkv", "raw"])
def test_a_painting_is_piped_into_another_program(name: str, clip: Path, tmp_path: Path, identity: Path) -> None:
    line = f"nst-live -i clip.mp4 $STYLE -o - --format {name} | ffmpeg -loglevel error -i - -c copy -f nut got.nut"
    done = pipeline(line, tmp_path, identity)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^painted 50 frames into the standard output in ", done.stderr, flags=re.MULTILINE)
    with av.open(str(tmp_path / "got.nut")) as container:
        assert container.streams.video[0].codec_context.name == ("rawvideo" if name == "raw" else "h264")
        assert len(container.streams.audio) == (0 if name == "raw" else 1)
        assert sum(1 for _ in container.decode(video=0)) == 50


@pytest.mark.skipif(shutil.which("ffplay") is None, reason="ffplay is missing")
@pytest.mark.parametrize("name", ["mpegts", "mkv", "raw"])
def test_ffplay_plays_what_is_piped(name: str, clip: Path, tmp_path: Path, identity: Path) -> None:
    line = f"nst-live -i clip.mp4 $STYLE -o - --format {name} | ffplay -loglevel error -autoexit -"
    done = pipeline(line, tmp_path, identity, SDL_VIDEODRIVER="dummy", SDL_AUDIODRIVER="dummy")
    assert done.returncode == 0, done.stderr


def test_a_named_pipe_takes_a_painting_too(clip: Path, tmp_path: Path, identity: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mkv")
    line = "ffmpeg -y -loglevel error -i pipe.mkv -c copy got.mkv & nst-live -i clip.mp4 $STYLE -o pipe.mkv && wait"
    done = pipeline(line, tmp_path, identity)
    assert done.returncode == 0, done.stderr
    assert frames_in(tmp_path / "got.mkv") == 50


@pytest.mark.parametrize("name", ["painted.mp4", "painted.mov"])
def test_what_would_seek_in_a_pipe_is_refused_in_one_line(
    name: str, clip: Path, tmp_path: Path, identity: Path, nst_live: NstLive
) -> None:
    os.mkfifo(tmp_path / name)
    told = nst_live("-i", clip, "-o", name, "--style", identity)
    assert told.code == 2
    assert f"cannot write {Path(name).suffix} into the pipe {name}: it would have to seek in it" in told.complaint
    assert "expected --format with one of mpegts, mkv, raw" in told.complaint


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("-o", "painted.mp4", "--format", "mkv"), "--format is for -o - and other pipes"),
        (("-o", "-", "--resume"), "a GIF, an image sequence or a pipe is painted in one go"),
        (("-o", "-", "--format", "raw", "--encoder", "libx264"), "raw cannot hold libx264"),
        (("-o", "-", "--format", "mpegts", "--encoder", "ffv1"), "mpegts cannot hold ffv1"),
        (("--format", "mkv"), "--format needs --output"),
    ],
)
def test_what_does_not_go_with_a_pipe_is_refused(
    options: Sequence[str], words: str, clip: Path, nst_live: NstLive
) -> None:
    told = nst_live("-i", clip, *options)
    assert told.code == 2
    assert words in told.complaint


def test_a_device_without_a_format_in_its_name_is_a_pipe(clip: Path, identity: Path, nst_live: NstLive) -> None:
    for more in ((), ("--format", "raw")):
        told = nst_live("-i", clip, "-o", "/dev/null", "--style", identity, *more)
        assert (told.code, "painted 50 frames into /dev/null" in told.err) == (0, True), told.err
    told = nst_live("-i", clip, "-o", "/dev/full", "--style", identity)
    assert told.code == 1
    assert re.search("the disk is full|No space left", told.complaint)


def test_ctrl_c_ends_the_wait_for_a_reader(clip: Path, tmp_path: Path, start: Start) -> None:
    os.mkfifo(tmp_path / "pipe.mkv")
    painting = start("-i", clip, "-o", "pipe.mkv")
    assert painting.process.stderr is not None
    assert "backend" in painting.process.stderr.readline()
    time.sleep(1)  # it opens the pipe now
    assert painting.end(signal.SIGINT).code == 130


def test_a_terminal_is_no_pipe(clip: Path, tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    argv = command("-i", clip, "-o", "-")
    done = subprocess.run(argv, cwd=tmp_path, stdout=theirs, stderr=subprocess.PIPE, text=True, check=False)
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 2
    assert "cannot write a video to a terminal; pipe it" in done.stderr


def test_a_reader_that_has_seen_enough_ends_it_in_one_line(film: Path, tmp_path: Path, identity: Path) -> None:
    done = pipeline("nst-live -i film.mp4 $STYLE -o - | head -c 100000 > got", tmp_path, identity)
    assert done.returncode == 1
    complaints = [line for line in done.stderr.splitlines() if line.startswith("nst-live: ")]
    assert len(complaints) == 1, done.stderr
    assert re.match("nst-live: recording into the standard output stopped after .*: Broken pipe$", complaints[0])
    assert "Traceback" not in done.stderr


def test_ctrl_c_ends_a_show_whose_reader_hangs(film: Path, tmp_path: Path, identity: Path) -> None:
    argv = command("-i", film, "-o", "-", "--format", "raw", "--style", identity, "--steady", 0)
    environment = environment_in(tmp_path / "home")
    with subprocess.Popen(
        argv, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], PATIENCE_S)[0]
        time.sleep(0.5)  # until the pipe is full
        process.send_signal(signal.SIGINT)
        # nobody reads
        assert process.wait(timeout=PATIENCE_S) == 130


def test_what_is_printed_to_stdout_is_not_in_the_video(clip: Path, tmp_path: Path, identity: Path) -> None:
    """A library that prints would damage it."""
    code = (
        "import os, sys, realtime.sinks.recorder as r\n"
        "init = r.FileRecorder.__init__\n"
        "def noisy(*a, **k):\n    init(*a, **k)\n    os.write(1, b'chatter'); print('chatter', flush=True)\n"
        "r.FileRecorder.__init__ = noisy\n"
        "from realtime.app.main import main; sys.exit(main(sys.argv[1:]))"
    )
    argv = [sys.executable, "-c", code, "-i", str(clip), "-o", "-", "--style", str(identity)]
    environment = {**environment_in(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"chatter" not in done.stdout
    assert done.stderr.count(b"chatter") == 2
