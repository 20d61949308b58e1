"""Pictures, globs and folder trees are painted into files; what fails stops nothing else, and is told."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from realtime.app.jobs import Job, is_for_folder, plan_jobs
from realtime.media.decoding import SourceError
from realtime.media.encoders import OutputError
from realtime.media.photo import Photo, read_photo, write_photo
from realtime.queues import StoppedError, Stopping, side_by_side
from tests.conftest import ROOT
from tests.realtime.clips import colourful, cut_off, noisy, read_clip, write_clip
from tests.realtime.conftest import NstLive


def save(path: Path, index: int = 0, size: tuple[int, int] = (40, 24)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_photo(path, Photo(colourful(index, size)))
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with pictures and a video, some of them below, and things that are neither."""
    tree = tmp_path / "tree"
    save(tree / "one.png", 1)
    save(tree / "below" / "two.tif", 2)
    save(tree / "below" / "further" / "three.bmp", 3)
    save(tree / ".hidden" / "four.png", 4)
    (tree / "notes.txt").write_text("neither picture nor video")
    write_clip(tree / "below" / "clip.avi", 5, codec="mjpeg", pixel_format="yuvj420p")
    return tree


def written(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# one picture ----------------------------------------------------------------------------------------------------------


def test_a_picture_is_painted_into_a_picture(tmp_path: Path, negative: Path, nst_live: NstLive) -> None:
    photo = save(tmp_path / "photo.png")
    told = nst_live("-i", photo, "-o", "painted.png", "--style", negative)
    assert told.code == 0
    assert f"painted {photo} into painted.png in " in told.err
    np.testing.assert_array_equal(read_photo(tmp_path / "painted.png").pixels, 255 - colourful(0, (40, 24)))


def test_a_picture_is_painted_in_a_shipped_style_with_its_alpha(tmp_path: Path, nst_live: NstLive) -> None:
    alpha = np.full((37, 51), 99, np.uint8)
    write_photo(tmp_path / "photo.png", Photo(colourful(0, (51, 37)), alpha))
    assert nst_live("-i", tmp_path / "photo.png", "-o", "painted.webp", "--style", "wave").code == 0
    painted = read_photo(tmp_path / "painted.webp")
    assert painted.alpha is not None
    np.testing.assert_array_equal(painted.alpha, alpha)
    assert np.abs(painted.pixels.astype(int) - colourful(0, (51, 37))).mean() > 10


@pytest.mark.parametrize(
    ("options", "size"),
    [(["--size", "20x10"], (20, 10)), (["--max-size", "20"], (20, 12)), (["--scale", "2"], (80, 48))],
)
def test_a_picture_is_painted_at_the_size_asked_for(
    options: list[str], size: tuple[int, int], tmp_path: Path, identity: Path, nst_live: NstLive
) -> None:
    photo = save(tmp_path / "photo.png")
    assert nst_live("-i", photo, "-o", "painted.png", "--style", identity, *options).code == 0
    assert read_photo(tmp_path / "painted.png").pixels.shape[1::-1] == size


def test_strength_colours_and_mirror_hold_for_pictures(tmp_path: Path, negative: Path, nst_live: NstLive) -> None:
    photo = save(tmp_path / "photo.png")
    mirrored = colourful(0, (40, 24))[:, ::-1]
    assert nst_live("-i", photo, "-o", "a.png", "--style", negative, "--strength", "0", "--mirror").code == 0
    np.testing.assert_array_equal(read_photo(tmp_path / "a.png").pixels, mirrored)
    assert nst_live("-i", photo, "-o", "b.png", "--style", negative, "--keep-colors").code == 0
    assert not np.array_equal(read_photo(tmp_path / "b.png").pixels, 255 - colourful(0, (40, 24)))


def test_the_colours_of_a_picture_hold_for_pictures_videos_and_sheets(
    tmp_path: Path, negative: Path, nst_live: NstLive
) -> None:
    photo = save(tmp_path / "photo.png")
    Image.new("RGB", (9, 7), (200, 30, 0)).save(tmp_path / "red.png")
    colors = ("--colors", tmp_path / "red.png")
    assert nst_live("-i", photo, "-o", "a.png", "--style", negative, *colors).code == 0
    painted = read_photo(tmp_path / "a.png").pixels.reshape(-1, 3).mean(axis=0)
    assert painted[0] > painted[1:].max() + 80
    assert (
        nst_live("-i", "test", "--size", "64x48", "--frames", "1", "-o", "a.mkv", "--style", negative, *colors).code
        == 0
    )
    filmed = read_clip(tmp_path / "a.mkv").pictures[0].reshape(-1, 3).mean(axis=0)
    assert filmed[0] > filmed[1:].max() + 60
    assert nst_live("gallery", photo, "-o", "sheet.png", "--style", negative, "--width", "40", *colors).code == 0
    told = nst_live("-i", photo, "-o", "b.png", "--style", negative, "--colors", "none.jpg")
    assert (told.code, "no file none.jpg" in told.complaint) == (3, True)
    told = nst_live("-i", photo, "-o", "b.png", "--style", negative, "--keep-colors", *colors)
    assert (told.code, told.complaint) == (
        2,
        "nst-live: --keep-colors does not go with --colors: it means --colors source",
    )
    assert nst_live("-i", photo, "-o", "c.png", "--style", negative, "--colors", "source").code == 0
    assert nst_live("-i", photo, "-o", "d.png", "--style", negative, "--keep-colors").code == 0
    assert (tmp_path / "c.png").read_bytes() == (tmp_path / "d.png").read_bytes()


def test_a_format_that_holds_no_alpha_is_named(tmp_path: Path, identity: Path, nst_live: NstLive) -> None:
    write_photo(tmp_path / "photo.png", Photo(colourful(0, (40, 24)), np.zeros((24, 40), np.uint8)))
    told = nst_live("-i", tmp_path / "photo.png", "-o", "painted.jpg", "--style", identity)
    assert told.code == 0
    assert "painted.jpg cannot hold transparency" in told.err


def test_a_picture_too_large_for_its_format_is_refused_before_it_is_painted(
    tmp_path: Path, identity: Path, nst_live: NstLive
) -> None:
    Image.new("RGB", (16_400, 20)).save(tmp_path / "wide.png")
    told = nst_live("-i", "wide.png", "-o", "out.webp", "--style", identity)
    assert told.code == 2
    assert "its format holds no side above 16383 pixels, and this picture is 16400x20; add --max-size" in told.complaint


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ([], "a picture is painted into a file; add -o painted.png"),
        (["-o", "a.mp4"], "cannot write a.mp4 of a picture; expected a name ending in .jpg, "),
        (["-o", "no/a.png"], "cannot write no/a.png: there is no folder no; type: mkdir -p no"),
        (["-o", "photo.png", "-y"], "cannot write photo.png: it is the input itself"),
        (["-o", "there.png"], "there.png exists; to overwrite it, add -y"),
        (["-o", "a.png", "--start", "5"], "--start is for video, not for a photograph"),
        (["-o", "a.png", "--microphone"], "--microphone is for video, not for a photograph"),
    ],
)
def test_a_picture_that_cannot_be_written_is_refused_before_it_is_painted(
    output: list[str], words: str, tmp_path: Path, identity: Path, nst_live: NstLive
) -> None:
    save(tmp_path / "photo.png")
    (tmp_path / "there.png").write_text("precious")
    told = nst_live("-i", "photo.png", *output, "--style", identity)
    assert told.code == 2
    assert words in told.complaint
    assert (tmp_path / "there.png").read_text() == "precious"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("folder", [True, False])
def test_a_terminal_shows_file_speed_and_time_left(folder: bool, tmp_path: Path, identity: Path) -> None:
    (tmp_path / "in").mkdir()
    clip = write_clip(tmp_path / "in" / "holiday.mp4", 60)
    typed = ["-i", "in", "-o", "out"] if folder else ["-i", str(clip), "-o", "out.mp4"]
    terminal, end = os.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "150", "TERM": "xterm"}
    command = [sys.executable, "-m", "realtime.app.main", *typed, "--style", str(identity)]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=end)
    os.close(end)
    shown = b""
    with suppress(OSError):  # Linux's way to say that the other end is closed
        while chunk := os.read(terminal, 65536):
            shown += chunk
    os.close(terminal)
    assert process.wait() == 0
    line = re.escape(f"{'in/' if folder else str(tmp_path) + '/in/'}holiday.mp4")
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert re.search(line + r"\s+\S+\s+\d+/60\s+[\d.]+ fps\s+ETA", text), text
    assert not folder or re.search(r"files\s+\S+\s+1/1\s+[\d.]+/min\s+ETA", text)


# folders --------------------------------------------------------------------------------------------------------------


def test_a_tree_becomes_a_tree(tree: Path, tmp_path: Path, negative: Path, nst_live: NstLive) -> None:
    told = nst_live("-i", tree, "-o", "out", "--style", negative)
    assert told.code == 0
    assert written(tmp_path / "out") == ["below/clip.mp4", "below/further/three.bmp", "below/two.tif", "one.png"]
    np.testing.assert_array_equal(read_photo(tmp_path / "out/below/two.tif").pixels, 255 - colourful(2, (40, 24)))
    assert len(read_clip(tmp_path / "out/below/clip.mp4").pictures) == 5
    assert "painted 4 of 4 files into out in " in told.err
    assert f"4 of 4: {tree}" in told.err, "each file is told as it is done"


def test_a_glob_and_several_files_go_into_a_folder(
    tree: Path, tmp_path: Path, identity: Path, nst_live: NstLive
) -> None:
    assert nst_live("-i", f"{tree}/**/*.[tb]*", "-o", "globbed", "--style", identity).code == 0
    assert written(tmp_path / "globbed") == ["further/three.bmp", "two.tif"]
    files = [tree / "one.png", tree / "below/two.tif"]
    assert nst_live("-i", *files, "-o", "several", "--style", identity).code == 0
    assert written(tmp_path / "several") == ["below/two.tif", "one.png"]


def test_one_file_goes_into_a_folder_that_is_there(
    tree: Path, tmp_path: Path, identity: Path, nst_live: NstLive
) -> None:
    (tmp_path / "out").mkdir()
    assert nst_live("-i", tree / "one.png", "-o", "out", "--style", identity).code == 0
    assert written(tmp_path / "out") == ["one.png"]


def test_a_file_that_fails_does_not_stop_the_others(
    tree: Path, tmp_path: Path, identity: Path, nst_live: NstLive
) -> None:
    (tree / "broken.jpg").write_bytes(b"no picture")
    (tree / "empty.mp4").touch()
    told = nst_live("-i", tree, "-o", "out", "--style", identity)
    assert told.code == 3
    assert f"nst-live: {tree}/broken.jpg cannot be read as a picture: its format is unknown" in told.err
    assert f"nst-live: {tree}/empty.mp4 is empty (0 bytes)" in told.err
    assert "painted 4 of 6 files into out" in told.err
    assert "nst-live: 2 of 6 files failed or could be read only in part" in told.err
    assert len(written(tmp_path / "out")) == 4


def test_a_video_that_is_cut_off_is_painted_in_part_and_told(
    tree: Path, tmp_path: Path, identity: Path, nst_live: NstLive
) -> None:
    whole = write_clip(tmp_path / "clip.mp4", 60, draw=noisy, container_options={"movflags": "faststart"})
    cut_off(whole, 0.6).rename(tree / "cut.mp4")
    told = nst_live("-i", tree, "-o", "out", "--style", identity)
    assert told.code == 3
    assert "cut.mp4 is damaged or cut off: only " in told.err
    assert 0 < len(read_clip(tmp_path / "out" / "cut.mp4").pictures) < 60


def test_what_is_painted_already_is_kept_with_resume_and_refused_without(
    tree: Path, tmp_path: Path, identity: Path, nst_live: NstLive
) -> None:
    done = save(tmp_path / "out" / "one.png", 9)
    before = done.read_bytes()
    told = nst_live("-i", tree, "-o", "out", "--style", identity)
    assert told.code == 2
    assert "1 of 4 outputs exist, out/one.png for one; to paint only the others, add --resume" in told.complaint
    told = nst_live("-i", tree, "-o", "out", "--style", identity, "--resume")
    assert told.code == 0
    assert "1 of 4 files are painted already" in told.err
    assert "painted 3 of 3 files" in told.err
    assert done.read_bytes() == before
    assert nst_live("-i", tree, "-o", "out", "--style", identity, "-y").code == 0
    assert done.read_bytes() != before


def test_what_was_painted_into_the_tree_itself_is_not_painted_again(
    tree: Path, identity: Path, nst_live: NstLive
) -> None:
    for _ in range(2):
        assert nst_live("-i", tree, "-o", tree / "painted", "--style", identity, "-y").code == 0
    assert written(tree / "painted") == ["below/clip.mp4", "below/further/three.bmp", "below/two.tif", "one.png"]


@pytest.mark.parametrize(
    ("typed", "code", "words"),
    [
        (["tree"], 2, "several files are painted into a folder; add -o FOLDER"),
        (["tree", "-o", "file.png"], 2, "cannot write into file.png: it is a file"),
        (["tree", "-o", "painted.mp4"], 2, "painted.mp4 is named like a file"),
        (["tree", "nothing", "-o", "out"], 3, "no file or folder nothing"),
        (["*.jpg", "-o", "out"], 3, "no picture or video matches *.jpg"),
        (["bare", "-o", "out"], 3, "nothing to paint in bare; expected pictures or videos"),
        (["tree", "-o", "out", "--virtual-cam"], 2, "--virtual-cam takes one input, not several files"),
        (["tree", "-o", "out", "--style", "nobody"], 2, "no style of the net 'fast' called 'nobody'"),
    ],
)
def test_a_folder_that_cannot_be_painted_is_refused(
    typed: list[str], code: int, words: str, tree: Path, nst_live: NstLive
) -> None:
    (tree.parent / "bare").mkdir()
    (tree.parent / "file.png").touch()
    told = nst_live("-i", *typed)
    assert told.code == code
    assert words in told.complaint


def test_what_is_wrong_with_the_style_is_said_once(tmp_path: Path, nst_live: NstLive) -> None:
    for name in ("a.mp4", "b.mp4"):
        write_clip(tmp_path / name, 2)
    told = nst_live("-i", "a.mp4", "b.mp4", "-o", "out", "--style", "nobody")
    assert told.code == 2
    assert "no style of the net 'fast' called 'nobody'" in told.complaint


def test_names_that_would_collide_are_kept_apart(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.avi"):
        (tmp_path / name).touch()
    outputs = [job.output.name for job in plan_jobs([str(tmp_path)], Path("out"))]
    assert outputs == ["a.avi.mp4", "a.mp4"]
    for folder in ("x", "y"):
        save(tmp_path / folder / "same.png")
    with pytest.raises(OutputError, match=r"would both be painted into out/same\.png"):
        plan_jobs([str(tmp_path / "x"), str(tmp_path / "y")], Path("out"))


@pytest.mark.parametrize(
    ("inputs", "output", "several"),
    [
        ([], None, False),
        (["test"], "a.mp4", False),
        (["rtsp://host/live?x=*"], "a.mp4", False),
        (["a.png", "b.png"], "out", True),
        (["*.png"], "out", True),
        (["frame_%05d.png"], "out", False),
    ],
)
def test_what_is_typed_says_whether_it_is_several_files(inputs: list[str], output: str | None, several: bool) -> None:
    assert is_for_folder(inputs, None if output is None else Path(output)) == several


def test_a_file_named_like_a_pattern_is_a_file(tmp_path: Path) -> None:
    photo = save(tmp_path / "holiday [1].png")
    assert not is_for_folder([str(photo)], tmp_path / "painted.png")
    assert [job.source for job in plan_jobs([str(photo)], Path("out"))] == [photo]
    assert plan_jobs([str(photo)], Path("out")) == [Job(photo, Path("out/holiday [1].png"))]
    with pytest.raises(SourceError, match="no file or folder"):
        plan_jobs([str(tmp_path / "none.png")], Path("out"))


# several at a time ----------------------------------------------------------------------------------------------------


def test_several_workers_do_all_tasks_and_one_that_fails_stops_no_other() -> None:
    def halve(number: int) -> int:
        if number % 2:
            raise ValueError(number)
        return number // 2

    results = dict(side_by_side(halve, range(20), 3, Stopping()))
    assert {number: result for number, result in results.items() if not number % 2} == {
        n: n // 2 for n in range(0, 20, 2)
    }
    assert all(isinstance(results[number], ValueError) for number in range(1, 20, 2))


def test_who_leaves_early_stops_the_rest() -> None:
    stopping = Stopping()
    begun: list[int] = []

    def wait_to_be_stopped(number: int) -> int:
        begun.append(number)
        while number:
            time.sleep(0.001)
            stopping.check()
        return number

    work = side_by_side(wait_to_be_stopped, range(100), 2, stopping)
    assert next(work) == (0, 0)
    with pytest.raises(KeyboardInterrupt):
        work.throw(KeyboardInterrupt())
    assert len(begun) < 10
    with pytest.raises(StoppedError):
        stopping.check()


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_stops_a_folder_and_resume_paints_the_rest(tmp_path: Path, identity: Path, nst_live: NstLive) -> None:
    for number in range(200):
        save(tmp_path / "tree" / f"{number:03}.png", size=(400, 300))
    options = ["-i", "tree", "-o", "out", "--style", str(identity), "--workers", "2"]
    command = [sys.executable, "-m", "realtime.app.main", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    deadline_s = time.monotonic() + 60
    while not list((tmp_path / "out").glob("*.png")) and time.monotonic() < deadline_s:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    done = written(tmp_path / "out")
    assert 0 < len(done) < 200
    for name in done:
        with Image.open(tmp_path / "out" / name) as picture:
            picture.load()
    assert nst_live(*options, "--resume").code == 0
    assert len(written(tmp_path / "out")) == 200


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_in_a_folder_says_where_the_painted_part_of_a_film_is(tmp_path: Path, identity: Path) -> None:
    film = "ffmpeg -loglevel error -f lavfi -i testsrc2=size=320x240:rate=25:duration=120 -c:v mpeg4"
    (tmp_path / "tree").mkdir()
    subprocess.run([*film.split(), "tree/film.mp4"], cwd=tmp_path, check=True)
    command = [sys.executable, "-m", "realtime.app.main", "-i", "tree", "-o", "out", "--style", str(identity)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    partial, deadline_s = tmp_path / "out" / "film.partial.mp4", time.monotonic() + 60
    while not (partial.exists() and partial.stat().st_size > 50_000) and time.monotonic() < deadline_s:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    said = re.search(
        r"^out/film\.partial\.mp4 holds the (\d+) frames of tree/film\.mp4 that were painted$", err, re.MULTILINE
    )
    assert said is not None, err
    assert not (tmp_path / "out" / "film.mp4").exists()
    assert 0 < len(read_clip(partial).pictures) == int(said[1]) < 3000
