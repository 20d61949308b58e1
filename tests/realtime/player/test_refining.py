"""A style that was predicted is trained further beside the show: better vectors are faded to, and the best is saved."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from realtime.frames import Frame
from realtime.player.controls import Controls
from realtime.player.refined_style import RefiningPlan
from realtime.player.refining import Refiner
from realtime.player.refining_process import RefiningRefused
from realtime.player.style_switcher import StyleSwitcher
from realtime.session import Session, choose_style
from realtime.stylize.loaded_style import LoadedStyle
from realtime.stylize.pipeline import PaintedFrame
from realtime.stylize.styles import load_named_styles
from styles.kept_picture import kept_picture
from styles.registry import find_style
from styles.training.refining_task import RefiningNews, RefiningTask
from styles.weights import load_style, read_metadata
from tests.conftest import ROOT
from tests.realtime.conftest import NstLive
from tests.realtime.encoders import write_encoder
from tests.styles.conftest import textured, write_loss_network

# Real trainings are over when they are; nothing here takes a minute.
PATIENCE_S = 240.0
_NARROW = {1: 4, 2: 6, 3: 8, 4: 8, 5: 8}


@pytest.fixture(scope="module")
def loss_network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("loss") / "small.safetensors"
    write_loss_network(path, _NARROW)
    return path


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's styles: an encoder, and two pictures."""
    folder = tmp_path / "mine"
    monkeypatch.setenv("NST_LIVE_STYLES", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_encoder(folder)
    for seed, name in enumerate(("postcard", "other")):
        Image.fromarray(textured(120, 160, 20 + seed, grain=1.5)).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def controls(mine: Path) -> Controls:
    styles, (postcard, other) = load_named_styles(["postcard", "other"], "fast")
    postcard.make_ready()
    other.make_ready()
    names = tuple(style.name for style in styles)
    return Controls(Session(names, names.index("postcard")), StyleSwitcher(styles))


Play = Callable[[Refiner, Controls, Callable[[], bool]], None]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    """Returns `play(refiner, controls, done)`, a show of a few frames a second, until something is so."""
    monkeypatch.setattr("realtime.player.refining._SETTLED_S", 0.0)

    def run(refiner: Refiner, controls: Controls, done: Callable[[], bool]) -> None:
        until_s, index = time.monotonic() + PATIENCE_S, 0
        while not done():
            assert time.monotonic() < until_s, refiner.status + refiner.backlog
            pixels = textured(48, 64, index % 7)
            frame = Frame(pixels, index, time.monotonic())
            refiner.attend(controls, PaintedFrame(frame, pixels))
            index += 1
            time.sleep(0.02)

    return run


def test_a_refined_picture_hides_no_style_of_its_name(
    mine: Path, controls: Controls, plan: RefiningPlan, play: Play, tmp_path: Path
) -> None:
    Image.fromarray(textured(60, 80, 5)).save(tmp_path / "wave.png")
    _, (style,) = load_named_styles([str(tmp_path / "wave.png")], "fast")
    style.make_ready()
    shown = Controls(Session((style.name,)), StyleSwitcher([style]))
    with Refiner(plan, starting(finishing)) as refiner:
        play(refiner, shown, lambda: refiner.status.startswith("refined"))
    assert [path.name for path in (mine / "fast").iterdir()] == ["wave-refined.safetensors"]


def switch_to(controls: Controls, name: str) -> None:
    controls.session = choose_style(controls.session.style_names.index(name))(controls.session)


def test_a_style_gets_better_while_the_show_goes_on_and_is_kept(
    mine: Path, controls: Controls, loss_network: Path, play: Play
) -> None:
    first = controls.style
    with Refiner(RefiningPlan(5.0, loss_network, mine)) as refiner:
        play(refiner, controls, lambda: controls.style is not first)
        assert refiner.status == "refining postcard for 5 min"
        assert refiner.backlog.endswith("% better")
        better = controls.style
        assert (better.name, better.net, better.lineage) == ("postcard", first.net, first.lineage)
        assert better.vector is not None
        assert first.vector is not None
        assert np.abs(better.vector - first.vector).max() > 1e-3
        # a change of the style ends it, and nothing is lost
        switch_to(controls, "wave")
        play(refiner, controls, lambda: refiner.status.startswith("refined"))
        path = mine / "fast" / "postcard.safetensors"
        assert f"% better, saved as {path} (another style is on)" in refiner.status
        assert refiner.backlog == ""
    style = find_style("postcard", "fast")
    assert style.path == path
    facts = read_metadata(path)
    assert facts["command"].startswith("refined by nst-live --refine for ")
    assert int(facts["steps"]) > 0
    assert kept_picture(path) is not None
    _, (loaded,) = load_named_styles(["postcard"], "fast")
    assert loaded.vector is not None
    assert controls.styles.styles[controls.session.style_names.index("postcard")].vector == pytest.approx(
        loaded.vector, abs=1e-2
    )


def test_the_end_of_the_show_ends_it(mine: Path, controls: Controls, loss_network: Path, play: Play) -> None:
    refiner = Refiner(RefiningPlan(5.0, loss_network, mine))
    play(refiner, controls, lambda: "ready" in refiner.backlog)
    assert refiner.close() == "postcard was not refined (the show ended)"
    assert refiner.close() == ""


# whatever happens to what refines -------------------------------------------------------------------------------------


class InThread:
    """Runs what refines in a thread, which is there sooner than a process."""

    def __init__(self, target: Callable[..., None], task: RefiningTask) -> None:
        self.pipe, end = Pipe()
        self._thread = threading.Thread(target=self._run, args=(target, end, task), daemon=True)
        self._thread.start()

    @staticmethod
    def _run(target: Callable[..., None], end: Connection, task: RefiningTask) -> None:
        with end:
            target(end, task)

    def kill(self) -> None:
        self.pipe.close()
        self._thread.join()


def dying(pipe: Connection, _task: RefiningTask) -> None:
    pipe.recv()
    pipe.send(RefiningNews(0.1, 1))


def refusing(pipe: Connection, _task: RefiningTask) -> None:
    pipe.send(RefiningRefused("there is no memory"))


def finishing(pipe: Connection, task: RefiningTask) -> None:
    pipe.send(RefiningNews(0.5, 1, 0.1, task.vector * 2))
    pipe.send(RefiningNews(1.0, 2, 0.2, task.vector * 3))


def improving(pipe: Connection, task: RefiningTask) -> None:
    """Makes every vector twice as large, until nobody listens."""
    try:
        for step in range(1, 1000):
            pipe.send(RefiningNews(step / 1000, step, 0.25, task.vector * 2))
            pipe.recv()
    except (EOFError, OSError):
        return


def starting(target: Callable[..., None]) -> Callable[[RefiningTask], InThread]:
    return lambda task: InThread(target, task)


@pytest.fixture
def plan(mine: Path, loss_network: Path) -> RefiningPlan:
    return RefiningPlan(5.0, loss_network, mine)


def test_it_is_over_when_its_time_is_and_not_begun_again(
    mine: Path, controls: Controls, plan: RefiningPlan, play: Play
) -> None:
    (mine / "fast").mkdir()
    (mine / "fast" / "postcard.safetensors").write_bytes(b"somebody else's")
    first = controls.style
    with Refiner(plan, starting(finishing)) as refiner:
        play(refiner, controls, lambda: refiner.status.startswith("refined"))
        path = mine / "fast" / "postcard-2.safetensors"
        told = refiner.status
        assert told == f"refined postcard: 20 % better, saved as {path}"
        assert load_style(path).vector == pytest.approx(3 * _vector(first), rel=1e-2)
        play(refiner, controls, iter([False] * 20 + [True]).__next__)
        assert refiner.status == told


def test_a_style_that_is_taken_back_is_not_saved(
    mine: Path, controls: Controls, plan: RefiningPlan, play: Play
) -> None:
    first = controls.style
    with Refiner(plan, starting(improving)) as refiner:
        play(refiner, controls, lambda: controls.style is not first)
        controls.session = controls.styles.remove(controls.session, "postcard")
        play(refiner, controls, lambda: "not refined" in refiner.status)
        assert refiner.status == "postcard was not refined (it was removed)"
    assert not (mine / "fast").exists()


@pytest.mark.parametrize(
    ("target", "words"), [(dying, "its process ended unexpectedly"), (refusing, "there is no memory")]
)
def test_a_process_that_ends_takes_nothing_from_the_show(
    target: Callable[..., None], words: str, controls: Controls, plan: RefiningPlan, play: Play
) -> None:
    first = controls.style
    with Refiner(plan, starting(target)) as refiner:
        play(refiner, controls, lambda: "not refined" in refiner.status)
        assert refiner.status == f"postcard was not refined ({words})"
        assert refiner.failure == ""
        assert controls.style is first
        switch_to(controls, "other")
        play(refiner, controls, lambda: refiner.status.startswith("refining other"))


def test_a_process_that_cannot_be_started_takes_nothing_from_the_show(
    controls: Controls, plan: RefiningPlan, play: Play
) -> None:
    def start(_task: RefiningTask) -> InThread:
        raise OSError(11, "too many processes")

    with Refiner(plan, start) as refiner:
        play(refiner, controls, lambda: "not refined" in refiner.status)
        assert refiner.status == "postcard was not refined (no process can be started: too many processes)"


def test_a_folder_that_cannot_be_written_is_named(
    controls: Controls, plan: RefiningPlan, play: Play, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    blocked = RefiningPlan(plan.minutes, plan.loss_network, tmp_path / "file")
    first = controls.style
    refiner = Refiner(blocked, starting(improving))
    play(refiner, controls, lambda: controls.style is not first)
    assert "postcard was refined, but cannot be saved: " in refiner.close()


def test_only_pictures_are_refined_and_not_while_styles_change_by_themselves(
    controls: Controls, plan: RefiningPlan, play: Play
) -> None:
    started: list[RefiningTask] = []

    def start(task: RefiningTask) -> InThread:
        started.append(task)
        assert threading.current_thread() is not threading.main_thread(), "no frame waits for a process that starts"
        return InThread(improving, task)

    with Refiner(plan, start) as refiner:
        switch_to(controls, "wave")
        play(refiner, controls, iter([False] * 10 + [True]).__next__)
        assert (refiner.status, started) == ("", [])
        first = controls.styles.styles[controls.session.style_names.index("other")]
        switch_to(controls, "other")
        play(refiner, controls, lambda: controls.style is not first)
    assert [task.vector.tolist() for task in started] == [_vector(first).tolist()]
    assert started[0].picture.shape == (120, 160, 3)
    assert np.array_equal(_vector(controls.style), 2 * _vector(first))


def _vector(style: LoadedStyle) -> np.ndarray:
    assert style.vector is not None
    return style.vector


# the command ----------------------------------------------------------------------------------------------------------

SHOW = ("-i", "test", "--size", "64x48", "--frames", "3", "--no-window", "--net", "fast", "-o", "painted.mkv", "-y")


def test_what_cannot_be_refined_is_refused_in_one_line(
    plan: RefiningPlan, identity: Path, nst_live: NstLive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NST_LIVE_LOSS_NETWORK", str(plan.loss_network))
    told = nst_live(*SHOW, "--refine", "--style", identity)
    assert (told.code, "'identity' has a net of its own" in told.complaint) == (2, True)
    told = nst_live(*SHOW, "--refine", "--photos", "none")
    assert (told.code, "no folder of photographs at none" in told.complaint) == (2, True)
    assert nst_live(*SHOW, "--photos", plan.folder).code == 2
    told = nst_live(*SHOW, "--refine", plan.folder / "postcard.png")
    assert (told.code, "is a file or folder; expected minutes" in told.err) == (2, True)
    assert nst_live(*SHOW, "--refine", "0").code == 2
    assert not Path("painted.mkv").exists()
    told = nst_live(*SHOW, "--refine", "--style", "wave")
    assert (told.code, "--refine waits for a style that is predicted" in told.err) == (0, True)
    monkeypatch.setenv("NST_LIVE_LOSS_NETWORK", "none")
    assert nst_live(*SHOW, "--refine").code == 3
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    told = nst_live(*SHOW, "--refine", "--style", "postcard")
    assert (told.code, 'pip install "nst-live[train]"' in told.complaint) == (4, True)


def test_a_show_that_ends_before_it_says_so_and_has_not_imported_torch(
    mine: Path, loss_network: Path, tmp_path: Path
) -> None:
    words = ["-i", "test", "--size", "64x48", "--frames", "60", "--no-window", "--net", "fast", "-o", "painted.mkv"]
    code = (
        "import faulthandler; faulthandler.dump_traceback_later(200, exit=True); "  # says where it hangs, if it does
        "import sys; import realtime.player.refining as refining; from realtime.app.main import main; "
        "refining._SETTLED_S = 0; refining._FIRST_EVERY_S = 3600; "  # one frame arrives: the training waits for more
        "code = main(sys.argv[1:]); assert not {'torch', 'onnx'} & set(sys.modules); sys.exit(code)"
    )
    # the process that refines imports the program again, so it is a file
    program = tmp_path / "program.py"
    program.write_text(f"if __name__ == '__main__':\n    {code}\n")
    done = subprocess.run(
        [sys.executable, program, *words, "--style", "postcard", "--refine"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NST_LIVE_LOSS_NETWORK": str(loss_network)},
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    assert "refining postcard for 5 min" in done.stderr
    assert "painted 60 frames" in done.stderr
    assert "postcard was not refined (the show ended)" in done.stderr
    assert "Traceback" not in done.stderr
