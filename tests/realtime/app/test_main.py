"""The command does what it is asked in one line, and says in one line with the right exit code why it cannot."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest

from realtime import __version__
from realtime.app.main import _interruptible, main
from realtime.backends import BACKENDS, BackendUnavailableError, Painter
from realtime.session import KEYS
from realtime.sources import camera_list as cameras
from styles.registry import NETWORK_SHA256, PICTURES, find_style, list_styles
from styles.weights import load_style, save_style
from tests.conftest import ROOT
from tests.realtime.clips import (
    SIZE,
    colourful,
    cut_off,
    noisy,
    read_clip,
    top_boxes,
    write_clip,
    write_sound,
)
from tests.realtime.conftest import NstLive

PATIENCE_S = 60


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.mp4", 12)


@pytest.fixture
def no_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which no camera is plugged in."""
    nothing = partial(cameras.list_cameras, tmp_path / "video4linux")
    monkeypatch.setattr("realtime.sources.camera_list.list_cameras", nothing)
    monkeypatch.setattr("realtime.app.show.first_source.list_cameras", nothing)
    monkeypatch.setattr("realtime.app.listings.list_cameras", nothing)


# files ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [Fraction(30000, 1001), Fraction(25), Fraction(24000, 1001)], ids=str)
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_file_into_a_file_keeps_frames_rate_size_and_times(
    suffix: str, rate: Fraction, tmp_path: Path, identity: Path, nst_live: NstLive
) -> None:
    clip = write_clip(tmp_path / f"clip.{suffix}", 20, rate=rate)
    told = nst_live("-i", clip, "-o", "painted.mp4", "--style", identity)
    assert told.code == 0
    painted = read_clip(tmp_path / "painted.mp4")
    assert painted.numbers == list(range(20))
    assert (painted.size, painted.codec, painted.pixel_format) == (SIZE, "h264", "yuv420p")
    assert painted.rate == pytest.approx(rate, rel=1e-3)
    if suffix == "mp4":
        assert painted.rate == rate
        assert painted.times == [index / rate for index in range(20)]
    assert re.search(r"^painted 20 frames into painted\.mp4 in ", told.err, flags=re.MULTILINE)
    assert told.out == ""


def test_it_paints_in_the_style_asked_for(tmp_path: Path, negative: Path, nst_live: NstLive) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 3, draw=colourful)
    assert nst_live("-i", clip, "-o", "painted.mp4", "--style", negative).code == 0
    painted = read_clip(tmp_path / "painted.mp4").pictures[1]
    assert np.abs(painted.astype(int) - (255 - colourful(1).astype(int))).mean() < 12


def test_a_shipped_style_paints_a_file(clip: Path, tmp_path: Path, nst_live: NstLive) -> None:
    told = nst_live("-i", clip, "-o", "painted.mp4", "--style", "wave", "--net", "fast", "--frames", "2")
    assert told.code == 0
    assert "The Great Wave off Kanagawa, Katsushika Hokusai, backend: " in told.err
    painted = read_clip(tmp_path / "painted.mp4")
    assert len(painted.pictures) == 2
    assert painted.pictures[0].std() > 10, "a grey picture has become a painting"


def test_size_rate_and_number_of_frames_can_be_asked_for(tmp_path: Path, identity: Path, nst_live: NstLive) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 24, rate=Fraction(24))
    options = ["--size", "32x24", "--fps", "12", "--frames", "5"]
    assert nst_live("-i", clip, "-o", "painted.mp4", "--style", identity, *options).code == 0
    painted = read_clip(tmp_path / "painted.mp4")
    assert painted.size == (32, 24)
    assert painted.rate == 12
    assert painted.numbers == [0, 2, 4, 6, 8]


def test_a_rate_by_its_common_name_is_the_exact_one(tmp_path: Path, identity: Path, nst_live: NstLive) -> None:
    assert nst_live("-i", "test", "-o", "a.mp4", "--fps", "29.97", "--frames", "3", "--style", identity).code == 0
    assert read_clip(tmp_path / "a.mp4").rate == Fraction(30000, 1001)


def test_a_tiny_picture_is_painted_and_said_to_be_tiny(tmp_path: Path, nst_live: NstLive) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 2, size=(8, 6))
    told = nst_live("-i", clip, "-o", "painted.mp4", "--style", "wreck")
    assert told.code == 0
    assert f"{clip} is tiny (8x6)" in told.err
    assert read_clip(tmp_path / "painted.mp4").size == (8, 6)


def test_the_original_is_replaced_only_when_that_is_asked_for(
    clip: Path, tmp_path: Path, identity: Path, nst_live: NstLive
) -> None:
    output = tmp_path / "painted.mp4"
    output.write_bytes(b"precious")
    assert nst_live("-i", clip, "-o", output, "--style", identity).code == 2
    assert output.read_bytes() == b"precious"
    assert nst_live("-i", clip, "-o", output, "--style", identity, "-y").code == 0
    assert len(read_clip(output).pictures) == 12


# no camera, no screen -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_camera")
def test_without_camera_and_screen_the_scene_goes_into_a_file_of_some_seconds(
    tmp_path: Path, identity: Path, nst_live: NstLive
) -> None:
    told = nst_live("--size", "32x24", "--style", identity)
    assert told.code == 0
    output = tmp_path / "nst-live.mp4"
    assert "no camera found; painting the bundled scene instead" in told.err
    assert f"no screen (DISPLAY is not set); recording into {output}" in told.err
    scene = read_clip(output)
    assert len(scene.pictures) == 180
    assert scene.rate == 30
    assert nst_live("--size", "32x24", "--style", identity, "--frames", "2").code == 0
    assert len(read_clip(tmp_path / "nst-live-2.mp4").pictures) == 2
    assert len(read_clip(output).pictures) == 180, "the first file is not overwritten"


def test_a_screen_that_does_not_answer_is_none(
    identity: Path, nst_live: NstLive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPLAY", ":4711")
    told = nst_live("-i", "test", "--size", "32x24", "--frames", "2", "--style", identity)
    assert told.code == 0
    assert "no screen (nothing answers at DISPLAY :4711, or access is denied); recording into " in told.err


def test_with_an_output_and_no_screen_it_only_records(tmp_path: Path, identity: Path, nst_live: NstLive) -> None:
    told = nst_live("-i", "test", "--size", "32x24", "--frames", "2", "--style", identity, "-o", "a.mkv")
    assert told.code == 0
    assert "no screen (DISPLAY is not set); only recording" in told.err
    assert len(read_clip(tmp_path / "a.mkv").pictures) == 2


def test_without_window_and_output_frames_are_painted_and_forgotten(
    tmp_path: Path, identity: Path, nst_live: NstLive
) -> None:
    told = nst_live("-i", "test", "--size", "32x24", "--frames", "4", "--style", identity, "--no-window")
    assert told.code == 0
    assert "painted 4 frames in " in told.err
    assert list(tmp_path.iterdir()) == []


# what goes wrong ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_camera")
@pytest.mark.parametrize("wanted", ["0", "Logitech", "/dev/video99"])
def test_a_camera_that_is_not_there_is_3(wanted: str, nst_live: NstLive) -> None:
    told = nst_live("--camera", wanted)
    assert told.code == 3
    assert told.complaint == (
        f"nst-live: no camera {wanted!r} here; found no camera at all; without a camera, type: nst-live -i test"
    )


def test_a_camera_name_that_matches_nothing_lists_what_there_is(
    tmp_path: Path, nst_live: NstLive, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "v4l" / "video0").mkdir(parents=True)
    (tmp_path / "v4l" / "video0" / "name").write_text("Integrated Camera")
    monkeypatch.setattr("realtime.sources.camera_list.list_cameras", partial(cameras.list_cameras, tmp_path / "v4l"))
    told = nst_live("--camera", "Logitech")
    assert told.code == 3
    assert "no camera 'Logitech' here; found: 0 (Integrated Camera) /dev/video0; " in told.complaint


def make_unreadable(kind: str, folder: Path) -> Path:
    """Writes an input that cannot be read and returns its path."""
    path = folder / f"{kind}.mp4"
    if kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("no video\n" * 50)
    elif kind == "sound":
        write_sound(path)
    elif kind == "headless":
        path = cut_off(write_clip(path, draw=noisy), 0.6)
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", "no file "),
        ("empty", "is empty (0 bytes)"),
        ("text", "cannot be read as a video: Invalid data found when processing input"),
        ("sound", "contains no video; expected a video file or stream"),
        ("headless", "cannot be read as a video: Invalid data found when processing input"),
    ],
)
def test_an_input_that_cannot_be_read_is_3_and_leaves_no_output(
    kind: str, words: str, tmp_path: Path, identity: Path, nst_live: NstLive
) -> None:
    path = make_unreadable(kind, tmp_path)
    told = nst_live("-i", path, "-o", "painted.mp4", "--style", identity)
    assert told.code == 3
    assert words in told.complaint
    assert str(path) in told.complaint
    assert len(told.err.splitlines()) == 1
    assert not (tmp_path / "painted.mp4").exists()


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_a_truncated_input_is_painted_as_far_as_it_can_be_read_and_is_3(
    name: str, tmp_path: Path, identity: Path, nst_live: NstLive
) -> None:
    start = {"movflags": "faststart"} if name.endswith("mp4") else {"cluster_time_limit": "300"}
    whole = write_clip(
        tmp_path / name, 60, draw=noisy, rate=Fraction(20), codec_options={"g": "10"}, container_options=start
    )
    cut = cut_off(whole, 0.6)
    told = nst_live("-i", cut, "-o", "painted.mp4", "--style", identity)
    assert told.code == 3
    assert told.complaint.startswith(f"nst-live: {cut} is damaged or cut off: only ")
    assert told.complaint.endswith("; what could be read is painted")
    assert 20 < len(read_clip(tmp_path / "painted.mp4").pictures) < 50


def test_a_truncated_input_of_which_enough_was_wanted_is_no_trouble(
    tmp_path: Path, identity: Path, nst_live: NstLive
) -> None:
    whole = write_clip(tmp_path / "clip.mp4", 40, draw=noisy, container_options={"movflags": "faststart"})
    told = nst_live("-i", cut_off(whole, 0.6), "-o", "painted.mp4", "--style", identity, "--frames", "2")
    assert told.code == 0


def test_an_unknown_style_names_the_nearest(clip: Path, nst_live: NstLive) -> None:
    told = nst_live("-i", clip, "-o", "painted.mp4", "--style", "rain_princes")
    assert told.code == 2
    assert "called 'rain_princes'; did you mean 'rain_princess'? (there are: la_muse, " in told.complaint


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none.onnx", "no ONNX file at none.onnx"),
        ("none.safetensors", "no style file at none.safetensors"),
        ("text.onnx", "text.onnx is not an ONNX model"),
        ("candy.onnx", "candy.onnx takes 'input1'; expected one input 'frame', 1 x height x width x 3 uint8"),
        ("text.safetensors", "text.safetensors cannot be read as safetensors"),
    ],
)
def test_a_style_file_that_cannot_be_used_is_3(
    name: str, words: str, clip: Path, tmp_path: Path, nst_live: NstLive
) -> None:
    (tmp_path / "text.onnx").write_text("bad")
    picture, painted = (
        onnx.helper.make_tensor_value_info(end, onnx.TensorProto.FLOAT, [1, 3, 224, 224]) for end in ("input1", "out")
    )
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["input1"], ["out"])], "c", [picture], [painted])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "candy.onnx")
    (tmp_path / "text.safetensors").write_text("bad")
    told = nst_live("-i", clip, "-o", "painted.mp4", "--style", name)
    assert told.code == 3
    assert words in told.complaint


def test_styles_that_cannot_be_painted_are_left_out_and_told(clip: Path, tmp_path: Path, nst_live: NstLive) -> None:
    of_fast = find_style("wave", "fast")
    mine = tmp_path / "no styles" / "fast"
    facts = {"network": "fast", NETWORK_SHA256: "of another training"}
    save_style(mine / "old.safetensors", load_style(of_fast.path).vector, facts)
    (mine / "broken.safetensors").write_bytes(b"half a file")
    told = nst_live("-i", clip, "-o", "painted.mp4", "--net", "fast")
    assert told.code == 0
    assert re.search(r"^left out: .*broken\.safetensors cannot be read", told.err, flags=re.MULTILINE)
    assert re.search(r"^left out: .*old\.safetensors was trained with another version", told.err, flags=re.MULTILINE)
    assert nst_live("-i", clip, "-o", "painted.mp4", "-y", "--style", "old").code == 3


def test_auto_goes_on_to_the_next_backend_where_one_does_not_open(
    clip: Path, nst_live: NstLive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_: object) -> Painter:
        raise BackendUnavailableError("backend openvino has no memory")

    monkeypatch.setattr("realtime.backends.openvino.open_painter_for_rate", no_memory)
    told = nst_live("-i", clip, "-o", "painted.mp4")
    assert told.code == 0
    assert "backend openvino has no memory; painting with another backend\n" in told.err
    assert "backend: onnxruntime" in told.err
    asked = nst_live("-i", clip, "-o", "painted.mp4", "-y", "--backend", "openvino")
    assert (asked.code, asked.complaint) == (4, "nst-live: backend openvino has no memory")


@pytest.mark.parametrize("backend", ["auto", "openvino", "onnxruntime"])
def test_a_graph_that_no_backend_knows_is_one_line(clip: Path, tmp_path: Path, nst_live: NstLive, backend: str) -> None:
    sides: list[str | int | None] = [1, "height", "width", 3]
    frame, painted = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.UINT8, sides) for name in ("frame", "o")
    )
    node = onnx.helper.make_node("Magic", ["frame"], ["o"], domain="of.nobody")
    opsets = [onnx.helper.make_opsetid("", 18), onnx.helper.make_opsetid("of.nobody", 1)]
    graph = onnx.helper.make_graph([node], "magic", [frame], [painted])
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=9), tmp_path / "magic.onnx")
    told = nst_live("-i", clip, "-o", "painted.mp4", "--style", "magic.onnx", "--backend", backend)
    assert told.code == 4
    lines = [line for line in told.err.splitlines() if "Magic" in line]
    assert any(re.match(r"(nst-live: )?backend \w+ cannot run 'magic' here: ", line) for line in lines), told.err
    assert "Traceback" not in told.err


@pytest.mark.parametrize("more", [(), ("--style", "wave"), ("--mix", "wave,udnie")])
def test_a_net_that_there_is_not_is_told_with_the_nearest(clip: Path, nst_live: NstLive, more: tuple[str, ...]) -> None:
    told = nst_live("-i", clip, "-o", "painted.mp4", "--net", "ful", *more)
    assert told.code == 2
    assert told.complaint.startswith("nst-live: no net called 'ful'; did you mean 'full'?")


@pytest.mark.parametrize(
    ("wrong", "output"), [("nope.jpg", "painted.jpg"), ("films/", "painted/"), ("nope.mp4", "painted"), ("0", "a.mp4")]
)
def test_an_input_that_is_not_there_is_what_is_told(wrong: str, output: str, nst_live: NstLive) -> None:
    told = nst_live("-i", wrong, "-o", output)
    assert told.code == 3
    assert told.complaint.startswith(f"nst-live: no file or folder {wrong}; ")


def test_what_stands_before_every_option_is_painted(clip: Path, tmp_path: Path, nst_live: NstLive) -> None:
    assert nst_live(clip, "-o", "painted.mp4", "--frames", "2").code == 0
    assert len(read_clip(tmp_path / "painted.mp4").pictures) == 2
    assert nst_live("nope.mp4").code == 3


def test_the_doctor_answers_here_too(nst_live: NstLive) -> None:
    told = nst_live("doctor")
    assert told.code == 0
    assert "openvino" in told.out.casefold()


def test_a_net_of_many_styles_is_no_style(clip: Path, nst_live: NstLive) -> None:
    net = list_styles("fast")[0].network_path.with_suffix(".onnx")
    told = nst_live("-i", clip, "-o", "painted.mp4", "--style", net)
    assert told.code == 3
    assert told.complaint == f"nst-live: {net} has no style of its own; choose one of its styles by name"


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("there.mp4", "there.mp4 exists; to overwrite it, add -y"),
        ("no/painted.mp4", "cannot write no/painted.mp4: there is no folder no; type: mkdir -p no"),
        ("painted.wmv", "cannot write painted.wmv: its format is unknown; expected a name ending in .mp4, "),
        ("clip.mp4", "cannot write clip.mp4: it is the input itself; name another file"),
    ],
)
def test_an_output_that_cannot_be_written_is_2(
    output: str, words: str, clip: Path, tmp_path: Path, nst_live: NstLive
) -> None:
    (tmp_path / "there.mp4").touch()
    before = clip.read_bytes()
    told = nst_live("-i", clip.name, "-o", output)
    assert told.code == 2
    assert told.complaint.startswith(f"nst-live: {words}")
    assert clip.read_bytes() == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_told_in_one_line(tmp_path: Path, identity: Path, nst_live: NstLive) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 100, draw=noisy)
    (tmp_path / "full.mkv").symlink_to("/dev/full")
    told = nst_live("-i", clip, "-o", "full.mkv", "-y", "--style", identity)
    assert told.code in (1, 2)
    assert re.search("the disk is full|No space left on device", told.complaint)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit on Windows")
def test_a_disk_that_fills_up_is_1_and_leaves_what_was_painted(tmp_path: Path, identity: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 150, draw=noisy)
    limit = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)); "
    code = limit + "from realtime.app.main import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "-i", str(clip), "-o", "painted.mp4", "--style", str(identity)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert re.search(
        r"^nst-live: recording into painted\.mp4 stopped after \d+ frames: .*; \d+ frames are kept in painted\.partial\.mp4",  # noqa: E501
        done.stderr,
        flags=re.MULTILINE,
    )
    assert "Traceback" not in done.stderr
    assert len(read_clip(tmp_path / "painted.partial.mp4").pictures) >= 30


@pytest.mark.parametrize(
    ("name", "module", "package"),
    [("openvino", "openvino", "openvino"), ("pytorch", "torch", '"nst-live[train]"')],
)
def test_a_backend_that_is_not_installed_is_4_and_says_what_to_type(
    name: str, module: str, package: str, nst_live: NstLive, missing: Callable[[str], None]
) -> None:
    missing(module)
    told = nst_live("-i", "test", "-o", "painted.mp4", "--backend", name)
    assert told.code == 4
    wanted = f"nst-live: backend {name} cannot run here: {module} is not installed; type: pip install {package}"
    assert told.complaint == wanted


def test_a_graph_without_weights_cannot_run_on_pytorch_and_is_4(clip: Path, identity: Path, nst_live: NstLive) -> None:
    told = nst_live("-i", clip, "-o", "painted.mp4", "--backend", "pytorch", "--style", identity)
    assert told.code == 4
    assert told.complaint.startswith("nst-live: backend pytorch needs the weights of a net")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--size", "640"], "argument --size: '640' is not a size; expected WxH, e.g. 640x480"),
        (["--size", "0x480"], "argument --size: '0x480' is not a size; expected WxH, e.g. 640x480"),
        (["--fps", "fast"], "argument --fps: 'fast' is not a frame rate; expected e.g. 25, 29.97 or 30000/1001"),
        (["--fps", "0"], "argument --fps: '0' is not a frame rate"),
        (["--fps", "-5"], "argument --fps: "),
        (["--fps", "1/0"], "argument --fps: '1/0' is not a frame rate"),
        (["--frames", "0"], "argument --frames: '0' is not a whole number of at least 1"),
        (["--frames", "1.5"], "argument --frames: '1.5' is not a whole number of at least 1"),
        (["--backend", "direct3d"], "argument --backend: invalid choice: 'direct3d'"),
        (["--camera", "0", "-i", "test"], "argument -i/--input: not allowed with argument --camera"),
        (["--no-such-option"], "unrecognized arguments: --no-such-option"),
    ],
)
def test_a_mistake_in_the_options_is_2(options: list[str], words: str, nst_live: NstLive) -> None:
    told = nst_live(*options)
    assert told.code == 2
    assert told.err.splitlines()[-1].startswith(f"nst-live: error: {words}")


def test_an_error_that_nobody_expected_is_1_and_points_to_debug(
    clip: Path, nst_live: NstLive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise RuntimeError("what is this")

    monkeypatch.setattr("realtime.app.show.first_source.open_source", fail)
    told = nst_live("-i", clip, "-o", "painted.mp4")
    assert told.code == 1
    assert told.err == "nst-live: unexpected RuntimeError: what is this (--debug shows where)\n"


def test_debug_shows_where_an_error_came_from(nst_live: NstLive) -> None:
    plain, debug = (nst_live("-i", "none.mp4", "-o", "painted.mp4", *more) for more in ([], ["--debug"]))
    assert plain.code == debug.code == 3
    assert "Traceback" not in plain.err
    assert "Traceback (most recent call last):" in debug.err
    assert debug.err.splitlines()[-1] == plain.err.splitlines()[-1]


# what there is --------------------------------------------------------------------------------------------------------


def test_the_styles_are_listed_with_title_and_artist(nst_live: NstLive) -> None:
    told = nst_live("--list-styles")
    assert told.code == 0
    rows = {line.split()[0]: line for line in told.out.splitlines()}
    for name, picture in PICTURES.items():
        assert picture.title in rows[name]
        assert picture.artist in rows[name]


def test_the_backends_are_listed_each_with_why_it_cannot_run(nst_live: NstLive, missing: Callable[[str], None]) -> None:
    missing("onnxruntime")
    told = nst_live("--list-backends")
    assert told.code == 0
    rows = dict(line.split(maxsplit=1) for line in told.out.splitlines())
    assert list(rows) == list(BACKENDS)
    assert rows["openvino"] == "can be used"
    assert rows["onnxruntime"] == "onnxruntime is not installed; type: pip install onnxruntime"


@pytest.mark.usefixtures("no_camera")
def test_where_there_is_no_camera_the_list_says_what_to_type(nst_live: NstLive) -> None:
    told = nst_live("--list-cameras")
    assert told.code == 0
    assert told.out == "found no camera at all; without a camera, type: nst-live -i test\n"


def test_the_version_and_the_help_with_its_keys(nst_live: NstLive) -> None:
    assert nst_live("-V").out == f"nst-live {__version__}\n"
    told = nst_live("--help")
    assert told.code == 0
    for key in KEYS:
        if key.label not in "123456789":
            assert re.search(rf"^  {re.escape(key.label)} +{re.escape(key.meaning)}$", told.out, flags=re.MULTILINE)


# Ctrl-C ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def endless(tmp_path: Path, identity: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """The command in a process of its own, which records for a long time and has written some of it."""
    output = tmp_path / "endless.mp4"
    options = ["-i", "test", "--size", "64x48", "--frames", "10000000", "--style", str(identity), "-o", str(output)]
    command = [sys.executable, "-m", "realtime.app.main", "--no-window", *options]
    partial = output.with_stem("endless.partial")
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        try:
            deadline_s = time.monotonic() + PATIENCE_S
            while not partial.is_file() or partial.stat().st_size < 50_000:
                assert process.poll() is None, process.communicate()[1]
                assert time.monotonic() < deadline_s, "nothing is recorded"
                time.sleep(0.02)
            yield process, output
        finally:
            process.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="signals are not sent like this on Windows")
@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGINT] * 2, [signal.SIGTERM]], ids=str)
def test_ctrl_c_once_or_twice_is_130_and_leaves_a_finished_file(
    signals: list[signal.Signals], endless: tuple[subprocess.Popen[str], Path]
) -> None:
    process, output = endless
    for number in signals:
        with suppress(ProcessLookupError):
            process.send_signal(number)
        time.sleep(0.01)
    told = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 130, told
    assert "Traceback" not in told
    assert told.splitlines()[-1] in ("nst-live: stopped", "finishing the file …")
    assert b"moof" not in top_boxes(output), "a finished file has no fragments"
    assert len(read_clip(output).pictures) > 30


@pytest.mark.skipif(sys.platform == "win32", reason="signals are not sent like this on Windows")
def test_a_second_ctrl_c_does_not_disturb_the_finishing(capsys: pytest.CaptureFixture[str]) -> None:
    finished = False

    def run() -> None:
        nonlocal finished
        with _interruptible():
            try:
                signal.raise_signal(signal.SIGINT)
            finally:
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGTERM)
                finished = True

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        with pytest.raises(KeyboardInterrupt):
            run()
        assert all(signal.getsignal(number) is signal.SIG_IGN for number in before)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert finished
    assert capsys.readouterr().err.splitlines() == ["finishing the file …"] * 2


# on a terminal --------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pty on Windows")
def test_on_a_terminal_a_bar_shows_frames_rate_and_time_left(tmp_path: Path, identity: Path) -> None:
    import pty

    clip = write_clip(tmp_path / "clip.mp4", 400)
    options = ["-i", str(clip), "-o", str(tmp_path / "painted.mp4"), "--style", str(identity)]
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "160"}
    command = [sys.executable, "-m", "realtime.app.main", *options]
    with subprocess.Popen(command, cwd=ROOT, env=env, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # Linux reports the end of a terminal as an error
            while piece := os.read(ours, 4096):
                shown += piece
    os.close(ours)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())
    assert process.returncode == 0
    assert re.search(r"clip\.mp4 .* (\d+)/400 .*\d+\.\d fps ETA ", text)
    assert "painted 400 frames into " in text


def test_where_there_is_no_terminal_there_is_no_bar(clip: Path, identity: Path, nst_live: NstLive) -> None:
    told = nst_live("-i", clip, "-o", "painted.mp4", "--style", identity)
    assert len(told.err.splitlines()) == 2
    assert "\x1b" not in told.err


def test_the_command_runs_as_a_module_and_as_a_function() -> None:
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    command = [sys.executable, "-m", "realtime.app.main", "--version"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == f"nst-live {__version__}\n"
