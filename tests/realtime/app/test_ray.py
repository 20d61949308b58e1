"""Folders and parts of long films on Ray: the same files as without it, whatever becomes of the nodes."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from realtime.app.cluster.films import look_at
from realtime.app.cluster.node import carry_out
from realtime.app.cluster.orders import LinePrinted, Order, OrderRefused, SegmentDone
from realtime.app.cluster.shipped_styles import backend_for, packed
from realtime.app.jobs import Job
from realtime.app.nets import catalog_for, load_catalog
from realtime.app.options.settings import read_settings
from realtime.sinks.parts import PartReport
from styles.support.silent_imports import import_ray
from tests.conftest import ROOT
from tests.realtime.clips import colourful, read_clip, write_clip
from tests.realtime.conftest import NstLive, Told

RATE = Fraction(15)
# Ray's own tool for clusters of several nodes on one machine leaves its processes to themselves.
untidy = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")


def moving(index: int, size: tuple[int, int]) -> Any:
    """Returns a frame that never comes again."""
    picture = colourful(index, size)
    picture[:8, : 1 + index % size[0]] = 255 - picture[:8, : 1 + index % size[0]]
    return picture


def clip(path: Path, seconds: float, size: tuple[int, int] = (96, 64), sound: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    silent = path.with_name(f"silent-{path.name}") if sound else path
    write_clip(silent, round(seconds * RATE), size=size, rate=RATE, draw=moving)
    if sound:
        tone = ["-f", "lavfi", "-i", f"sine=d={seconds}", "-c:v", "copy", "-shortest"]
        subprocess.run(["ffmpeg", "-v", "error", "-i", str(silent), *tone, str(path)], check=True)
        silent.unlink()
    return path


def packets_of_sound(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0)]


def psnr(one: Any, other: Any) -> float:
    error = float(np.square(one.astype(float) - other).mean())
    return 99.0 if error == 0 else float(10 * np.log10(255**2 / error))


# what is asked for ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--ray", "clips", "-o", "out"], "'clips' is a file or folder, and --ray takes an address; name the input"),
        (
            ["-i", "clips", "-o", "out", "--ray", "somewhere"],
            "'somewhere' is not an address of Ray; expected e.g. 192.",
        ),
        (["-i", "clips", "-o", "out", "--ray", "ray://host:10001"], "is not an address of Ray"),
        (["-i", "clips", "-o", "out", "--ray", "--ray-segment", "0.5"], "'0.5' is too short for a part of a film"),
        (["-i", "clips/a.mp4", "--ray"], "--ray needs --output"),
        (["-i", "test", "-o", "a.mp4", "--ray"], "--ray is for files; expected -i FILE"),
        (["-i", "clips/a.png", "-o", "b.png", "--ray"], "--ray is for video, not for a photograph"),
        (["-i", "clips", "-o", "out", "--ray", "--workers", "2"], "--ray does not go with --workers: the nodes decide"),
        (["-i", "clips/a.mp4", "-o", "a.mp4", "--ray", "--target-fps", "25"], "does not go with --target-fps"),
        (["-i", "clips/a.mp4", "-o", "a_%05d.png", "--ray"], "an image sequence or a pipe is painted in one go"),
    ],
)
def test_what_cannot_be_painted_on_ray_is_refused(
    words: Sequence[str], complaint: str, tmp_path: Path, nst_live: NstLive
) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.mp4").touch()
    Image.new("RGB", (8, 8)).save(tmp_path / "clips" / "a.png")
    told = nst_live(*words)
    assert told.code == 2
    assert complaint in told.err


def test_without_ray_it_says_what_to_type(tmp_path: Path, nst_live: NstLive, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ray" else find(name))
    clip(tmp_path / "a.mp4", 0.5)
    told = nst_live("a.mp4", "-o", "b.mp4", "--ray")
    assert told.code == 4
    assert told.complaint == 'nst-live: --ray needs Ray; type: pip install "nst-live[ray]"'


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("--ray-segment", "2"), [(0, 2), (2, 4), (4, None)]),
        (("--ray-segment", "2", "--start", "1"), [(0, 2), (2, None)]),  # three and a half seconds are left of the film
        (("--ray-segment", "4"), [(0, 4), (4, None)]),
        (("--ray-segment", "5"), [(0, None)]),  # no part is shorter than a half
        ((), [(0, None)]),
        (("--ray-segment", "2", "--frames", "50"), [(0, None)]),
        (("--ray-segment", "2", "--fps", "10"), [(0, None)]),
        (("--ray-segment", "2", "--playlist", "wave:1,udnie:1"), [(0, None)]),
    ],
)
def test_a_film_is_cut_where_its_painting_depends_on_nothing_before(
    words: Sequence[str], parts: Sequence[tuple[int, int | None]], tmp_path: Path
) -> None:
    path = clip(tmp_path / "film.mp4", 4.5 if "--start" in words else 6)
    options = read_settings(["-i", str(path), "-o", "painted.mp4", "--ray", *words], {}).options
    film = look_at(Job(path, Path("painted.mp4")), options)
    found = [(int(span.begins_s), None if span.ends_s is None else int(span.ends_s)) for span in film.parts]
    assert found == parts
    assert {span.lead_in_s for span in film.parts} <= {0, 2}


def test_a_mix_is_sent_as_one_style_with_the_mean_of_their_vectors() -> None:
    words = ["-i", "a.mp4", "-o", "b.mp4", "--ray", "--net", "fast", "--mix", "wave:3,udnie:1"]
    look = read_settings(words, {}).options.look
    catalog = catalog_for(backend_for(look), look)
    wave, udnie = (next(each for each in catalog.styles if each.name == name).vector for name in ("wave", "udnie"))
    (mixed,) = catalog.wanted
    assert wave is not None
    assert udnie is not None
    assert mixed.vector == pytest.approx(0.75 * wave + 0.25 * udnie, abs=1e-5)


def test_what_a_node_prints_and_refuses_has_the_names_that_were_given(tmp_path: Path, identity: Path) -> None:
    good, words = clip(tmp_path / "good.mp4", 1), ["-o", "painted.mp4", "--style", str(identity), "--backend"]
    options = read_settings(["-i", str(good), *words, "onnxruntime"], {}).options
    styles = packed(load_catalog(options.look))
    assert styles.files["identity"][0].data == identity.read_bytes()
    film = look_at(Job(good, Path("painted.mp4")), options)
    order = Order(good, Path("painted.mp4"), film.options, film.parts[0])
    *segments, report = carry_out(order, styles)
    assert [type(each) for each in segments] == [SegmentDone]
    assert report == PartReport(1, 15, 1.0, report.painter) if isinstance(report, PartReport) else False

    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no film")
    (refused,) = carry_out(Order(bad, Path("painted.mp4"), film.options, film.parts[0]), styles)
    assert isinstance(refused, OrderRefused)
    assert refused.code == 3
    assert refused.text.startswith(f"{bad} cannot be read as a video")
    sent = np.frombuffer(b"no film either", np.uint8)
    (refused,) = carry_out(Order(Path("/elsewhere/bad.mp4"), Path("a.mp4"), film.options, film.parts[0]), styles, sent)
    assert isinstance(refused, OrderRefused)
    assert refused.text.startswith("/elsewhere/bad.mp4 cannot be read as a video")
    (refused,) = carry_out(Order(Path("/elsewhere/bad.mp4"), Path("a.mp4"), film.options, film.parts[0]), styles)
    assert isinstance(refused, OrderRefused)
    assert "sees no /elsewhere/bad.mp4; put it where all nodes see it, or add --ray-ship" in refused.text
    (refused,) = carry_out(Order(good, Path("a.mp4"), film.options, film.parts[0], version="0.0.1"), styles)
    assert isinstance(refused, OrderRefused)
    assert (refused.code, "expected 0.0.1 on all nodes" in refused.text) == (4, True)
    small = clip(tmp_path / "small.mp4", 0.5, size=(16, 8))
    items = list(carry_out(Order(small, Path("a.mp4"), film.options, film.parts[0]), styles))
    assert LinePrinted(f"{small} is tiny (16x8): it is extended by mirroring to be painted") in items


# with Ray -------------------------------------------------------------------------------------------------------------


def run(folder: Path, *words: object, environment: dict[str, str] | None = None) -> Told:
    command = [sys.executable, "-m", "realtime.app.main", *map(str, words)]
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    return Told(done.returncode, done.stdout, done.stderr)


def outputs(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.long
@pytest.mark.timeout(900)
@needs_ray
def test_on_this_machine_a_folder_becomes_what_resume_makes_of_it(tmp_path: Path, nst_live: NstLive) -> None:
    """One process of Ray for: clips, a photograph, a film in parts with sound, and a file that cannot be read."""
    folder = tmp_path / "in"
    for number in range(2):
        clip(folder / f"clip{number}.mp4", 1 + number)
    film = clip(folder / "film.mp4", 6, sound=True)
    Image.fromarray(colourful(3)).save(folder / "photo.png")
    (folder / "bad.mp4").write_bytes(b"no film")
    told = run(tmp_path, "in", "-o", "out", "--style", "wave", "--ray", "--ray-segment", "2")
    assert told.code == 3, told.err
    assert "nst-live: in/bad.mp4 cannot be read as a video" in told.err
    assert "painted 4 of 5 files into out" in told.err
    assert " frames on 1 node, " in told.err
    assert nst_live("in", "-o", "resumed", "--style", "wave", "--resume").code == 3
    ours, theirs = outputs(tmp_path / "out"), outputs(tmp_path / "resumed")
    assert ours.keys() == theirs.keys() == {"clip0.mp4", "clip1.mp4", "film.mp4", "photo.png"}
    assert [name for name in ours if name.startswith("clip") and ours[name] != theirs[name]] == []
    photo, same = (np.array(Image.open(tmp_path / place / "photo.png")) for place in ("out", "resumed"))
    np.testing.assert_array_equal(photo, same)
    whole, cut = read_clip(tmp_path / "resumed" / "film.mp4"), read_clip(tmp_path / "out" / "film.mp4")
    assert cut.times == whole.times
    assert min(map(psnr, whole.pictures, cut.pictures)) > 33  # both are compressed, and in other groups
    assert packets_of_sound(tmp_path / "out" / "film.mp4") == packets_of_sound(film)


# what takes long ------------------------------------------------------------------------------------------------------


def wait_for(found: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline_s = time.monotonic() + 300
    while not found() and process.poll() is None and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert process.poll() is None, process.communicate()[1]


def begin(folder: Path, *words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "realtime.app.main", *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def three_nodes() -> Iterator[Any]:
    """A cluster of three nodes on this machine, of which a test may take one away."""
    import_ray()
    from ray.cluster_utils import Cluster

    # short, since Ray's sockets lie in it
    with (
        tempfile.TemporaryDirectory(prefix="nst-ray-", dir="/tmp", ignore_cleanup_errors=True) as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        # the cluster's address is noted here, not where every other Ray of this machine would find it
        patch.setenv("RAY_TMPDIR", folder)
        (Path(folder) / "ray").mkdir()
        cluster: Any = Cluster()
        for _ in range(3):
            cluster.add_node(num_cpus=2, include_dashboard=False, temp_dir=folder)
        cluster.wait_for_nodes()
        yield cluster
        cluster.shutdown()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `in`, which has 24 clips and a film of a minute with sound, and `one`, its painting on one node."""
    folder = tmp_path_factory.mktemp("archive")
    for number in range(24):
        clip(folder / "in" / f"clip{number:02}.mp4", 0.5 + number / 24)
    clip(folder / "in" / "film.mp4", 60, sound=True)
    told = run(folder, *ARCHIVE, "-o", "one", "--ray")
    assert told.code == 0, told.err
    return folder


ARCHIVE = ("in", "--style", "wave", "--ray-segment", "10")


@untidy
@pytest.mark.long
@pytest.mark.timeout(900)
@needs_ray
def test_three_nodes_paint_what_one_does(archive: Path, three_nodes: Any) -> None:
    told = run(archive, *ARCHIVE, "-o", "three", "--ray", three_nodes.address, "--ray-ship")
    assert told.code == 0, told.err
    assert " frames on 3 nodes, " in told.err
    assert outputs(archive / "three") == outputs(archive / "one")
    assert nst_resumed(archive, "clip23.mp4") == (archive / "one" / "clip23.mp4").read_bytes()


def nst_resumed(archive: Path, name: str) -> bytes:
    """Returns the painting of a file by --resume alone."""
    told = run(archive, f"in/{name}", "--style", "wave", "--resume", "-o", f"resumed-{name}")
    assert told.code == 0, told.err
    return (archive / f"resumed-{name}").read_bytes()


@untidy
@pytest.mark.long
@pytest.mark.timeout(900)
@needs_ray
def test_a_node_that_dies_changes_nothing(archive: Path, three_nodes: Any) -> None:
    process = begin(archive, *ARCHIVE, "-o", "killed", "--ray", three_nodes.address)
    parts = archive / "killed" / "film.mp4.parts"
    wait_for(lambda: len(list(parts.glob("*.npz"))) >= 2, process)
    three_nodes.remove_node(next(iter(three_nodes.worker_nodes)), allow_graceful=False)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert "a node was lost" in err
    assert outputs(archive / "killed") == outputs(archive / "one")


@untidy
@pytest.mark.long
@pytest.mark.timeout(900)
@needs_ray
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(archive: Path, three_nodes: Any) -> None:
    words = [*ARCHIVE, "-o", "stopped", "--ray", three_nodes.address]
    process = begin(archive, *words)
    wait_for(lambda: bool(list((archive / "stopped" / "film.mp4.parts").glob("0*.json"))), process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    assert "kept beside the output; the same command continues from there" in err
    assert "Traceback" not in err
    assert not (archive / "stopped" / "film.mp4").exists()
    told = run(archive, *words)
    assert told.code == 0, told.err
    assert "of 25 files are painted already" in told.err
    assert "frames are painted already" in told.err
    assert outputs(archive / "stopped") == outputs(archive / "one")


@untidy
@pytest.mark.long
@pytest.mark.timeout(900)
@needs_ray
def test_after_a_seam_the_film_is_painted_as_without_it(archive: Path, three_nodes: Any) -> None:
    words = ("in/film.mp4", "--style", "wave", "--encoder", "ffv1")
    told = run(archive, *words, "-o", "cut.mkv", "--ray", three_nodes.address, "--ray-segment", "10")
    assert told.code == 0, told.err
    assert run(archive, *words, "-o", "whole.mkv").code == 0
    whole, cut = read_clip(archive / "whole.mkv"), read_clip(archive / "cut.mkv")
    assert cut.times == whole.times
    likeness = list(map(psnr, whole.pictures, cut.pictures))
    for seam in range(10, 60, 10):
        assert min(likeness[seam * int(RATE) : (seam + 1) * int(RATE)]) >= 40
    assert min(likeness) >= 40
