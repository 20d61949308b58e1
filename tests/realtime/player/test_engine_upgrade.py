"""A show begins on the backend that is ready, and changes over when the better one's engine is built."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from build_engines.tensorrt.build import BuildProgress
from realtime.backends import Backend, BackendUnavailableError, Net
from realtime.backends.tensorrt import EngineMissingError
from realtime.player.controls import Controls
from realtime.player.engine_upgrade import Upgrade
from realtime.player.parts import Outcome, PlayerOptions, PlayerOutputs
from realtime.player.player import Player
from realtime.player.status import Status
from realtime.screen.display import Screen
from realtime.session import Session
from realtime.stylize.stylizer import FrameStylizer
from tests.realtime.clips import read_clip, write_clip
from tests.realtime.conftest import NstLive
from tests.realtime.stand_ins import (
    SHADE_NET,
    Collector,
    FewFrames,
    ShadePainter,
    TypingDisplay,
    controls_of,
    shade,
    shade_backend,
)


class BetterPainter(ShadePainter):
    """Paints one shade lighter than the stand-in, to be told apart."""

    description = "better"

    def finish(self) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        return super().finish() + np.uint8(1)


BETTER = Backend("better", lambda: None, lambda _net, _width, _height: BetterPainter())


def never(_net: Net, _width: int, _height: int) -> ShadePainter:
    raise BackendUnavailableError("no memory left on the GPU")


NEVER = Backend("better", lambda: None, never)


class ScriptedBuild:
    """A build that is done, well or badly, when it has been looked at `looks` times."""

    def __init__(self, argv: Sequence[str], looks: int = 2, error: str = "") -> None:
        self.argv, self.error, self.closed = argv, error, False
        self._looks = looks

    @property
    def progress(self) -> BuildProgress:
        return BuildProgress("building", 0.43)

    @property
    def done(self) -> bool | None:
        self._looks -= 1
        return None if self._looks >= 0 else not self.error

    def close(self) -> None:
        self.closed = True


def show_with(
    build: ScriptedBuild,
    frames: int = 400,
    better: Backend = BETTER,
    print_line: Callable[[str], None] = lambda _line: None,
) -> tuple[Outcome, list[int], TypingDisplay]:
    collector, display = Collector(), TypingDisplay()
    with FrameStylizer(shade_backend()) as stylizer, Upgrade(better, build.argv, lambda _argv: build) as upgrade:
        outcome = Player(
            FewFrames(frames, rate=FewFrames(0).rate / 5),
            stylizer,
            Controls.of_one_style(shade("dark", 10)),
            status=Status("stand-in", print_line=print_line),
            outputs=PlayerOutputs(sinks=[collector], screen=Screen(display)),
            options=PlayerOptions(upgrade=upgrade),
        ).run()
    assert collector.indices == list(range(frames))
    return outcome, collector.shades, display


def test_the_show_changes_over_in_mid_stream_and_loses_no_frame() -> None:
    build = ScriptedBuild(["fast", "--size", "64x48"], looks=1)
    outcome, shades, _ = show_with(build)
    assert set(shades) == {10, 11}
    assert shades == sorted(shades)
    assert build.closed
    assert not outcome.complaints


def test_a_build_that_fails_leaves_the_show_on_what_it_has_and_is_reported() -> None:
    printed: list[str] = []
    outcome, shades, _ = show_with(ScriptedBuild(["fast"], looks=0, error="no memory left"), print_line=printed.append)
    assert set(shades) == {10}
    assert not outcome.complaints, "what is recorded is whole"
    assert printed == ["the better engine could not be built: no memory left"]


def test_a_better_backend_that_does_not_open_leaves_the_show_on_what_it_has() -> None:
    printed: list[str] = []
    outcome, shades, _ = show_with(ScriptedBuild(["fast"], looks=0), better=NEVER, print_line=printed.append)
    assert set(shades) == {10}
    assert not outcome.complaints
    assert printed == ["no memory left on the GPU; still painting with stand-in"]


def test_a_style_whose_net_cannot_be_opened_is_not_changed_to() -> None:
    other = replace(SHADE_NET, name="other")

    def open_one(net: Net, _width: int, _height: int) -> ShadePainter:
        if net == other:
            raise BackendUnavailableError("no engine for 'other'")
        return ShadePainter()

    collector, display = Collector(), TypingDisplay({100: "n"})
    controls = controls_of(Session(("bright", "dark")), shade("bright", 200), replace(shade("dark", 10), net=other))
    with FrameStylizer(Backend("stand-in", lambda: None, open_one)) as stylizer:
        outputs = PlayerOutputs(sinks=[collector], screen=Screen(display))
        Player(FewFrames(200, rate=FewFrames(0).rate / 5), stylizer, controls, outputs=outputs).run()
    assert collector.shades == [200] * 200
    assert controls.session.style_name == "bright"
    assert controls.session.notice == "no engine for 'other'"


def test_the_build_is_asked_for_without_its_receipt_and_says_how_far_it_is() -> None:
    asked: list[Sequence[str]] = []

    def start(argv: Sequence[str]) -> ScriptedBuild:
        asked.append(argv)
        return ScriptedBuild(argv)

    with Upgrade(BETTER, ["fast", "--size", "64x48"], start) as upgrade:
        assert upgrade.status == "building the better engine: 43 %"
    assert asked == [["fast", "--size", "64x48", "--no-receipt"]]
    assert upgrade.status == ""


def test_leaving_cancels_a_build_that_still_runs() -> None:
    build = ScriptedBuild(["fast"], looks=1000)
    with Upgrade(BETTER, build.argv, lambda _argv: build):
        pass
    assert build.closed


def test_waiting_reports_and_raises_what_went_wrong() -> None:
    reported: list[float] = []
    with Upgrade(BETTER, ["fast"], lambda argv: ScriptedBuild(argv, looks=2)) as upgrade:
        upgrade.wait(reported.append, lambda: None)
    assert reported
    assert set(reported) == {0.43}
    with (
        Upgrade(BETTER, ["fast"], lambda argv: ScriptedBuild(argv, error="out of disk")) as upgrade,
        pytest.raises(BackendUnavailableError, match="the better engine could not be built: out of disk"),
    ):
        upgrade.wait(reported.append, lambda: None)


# --- from the command


class LightPainter(BetterPainter):
    """Stands in for an engine: paints everything in one light shade."""

    def finish(self) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        return np.full_like(super().finish(), 230)


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[ScriptedBuild]:
    """A machine with an NVIDIA card and TensorRT, on which engines are built; returns the builds that were started."""
    started: list[ScriptedBuild] = []

    def start(argv: Sequence[str]) -> ScriptedBuild:
        started.append(ScriptedBuild(argv, looks=2))
        return started[-1]

    def open_painter(net: Net, width: int, height: int) -> LightPainter:
        if not started or started[-1].done is None:
            raise EngineMissingError(f"no engine for {net.name!r}", ("full", "--size", f"{width}x{height}"))
        return LightPainter()

    monkeypatch.setattr("realtime.backends.tensorrt.unavailable_reason", lambda: None)
    monkeypatch.setattr("realtime.backends.tensorrt.open_painter", open_painter)
    monkeypatch.setattr("realtime.app.nets.Upgrade", partial(Upgrade, start=start))
    return started


def test_tensorrt_that_was_asked_for_is_built_first(
    tmp_path: Path, nst_live: NstLive, builds: list[ScriptedBuild]
) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 12)
    told = nst_live("-i", clip, "-o", "painted.mp4", "--backend", "tensorrt", "--steady", "0")
    assert told.code == 0
    assert "backend: better" in told.err
    assert [build.argv[0] for build in builds] == ["full"]
    assert all(abs(int(np.median(picture)) - 230) < 4 for picture in read_clip(tmp_path / "painted.mp4").pictures)


def test_where_nothing_was_asked_for_it_begins_on_what_is_ready_and_changes_over(
    tmp_path: Path, nst_live: NstLive, builds: list[ScriptedBuild], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.player.status._READINGS_EVERY_S", 0.0)  # the build is looked at after every frame
    clip = write_clip(tmp_path / "clip.mp4", 90)
    told = nst_live("-i", clip, "-o", "painted.mp4", "--steady", "0")
    assert told.code == 0
    assert "backend: openvino" in told.err
    assert len(builds) == 1
    pictures = read_clip(tmp_path / "painted.mp4").pictures
    assert len(pictures) == 90
    assert float(np.std(pictures[0])) > 10, "the first is painted by a net"
    assert float(np.std(pictures[-1])) < 3, "the last in one shade"


def test_tensorrt_that_cannot_be_built_is_said_so(
    tmp_path: Path, nst_live: NstLive, builds: list[ScriptedBuild], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "realtime.app.nets.Upgrade", partial(Upgrade, start=lambda argv: ScriptedBuild(argv, error="no"))
    )
    clip = write_clip(tmp_path / "clip.mp4", 12)
    told = nst_live("-i", clip, "-o", "painted.mp4", "--backend", "tensorrt")
    assert (told.code, told.complaint) == (4, "nst-live: the tensorrt engine could not be built: no")
