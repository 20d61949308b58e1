"""The scale that the net paints at: used once it is loaded, given up if it cannot be, reported when it changes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import replace

import pytest

from realtime.backends import Backend, BackendUnavailableError, Net, Painter
from realtime.player.governor import Governor
from realtime.player.net_scale import NetScale
from realtime.queues import background_worker
from realtime.session import Session
from realtime.stylize.pipeline import NetPipeline
from tests.realtime.stand_ins import SHADE_NET, ShadePainter, press

SIZE = (640, 480)
OTHER_NET = replace(SHADE_NET, name="other")


@pytest.fixture
def background() -> Iterator[Executor]:
    with background_worker() as worker:
        yield worker


def only_full_size(_net: Net, width: int, height: int) -> Painter:
    if (width, height) != SIZE:
        raise BackendUnavailableError(f"no engine for {width}x{height}")
    return ShadePainter()


def any_size(_net: Net, _width: int, _height: int) -> Painter:
    return ShadePainter()


def slow_governor() -> Governor:
    """Returns a governor that has seen four frames in four seconds, and wants the smallest scale."""
    governor = Governor(30)
    for now_s in range(8):
        governor.observe(float(now_s), 0.0)
    assert governor.scale == 0.5
    return governor


def test_a_scale_is_used_once_its_net_is_loaded_and_every_net_has_its_own(background: Executor) -> None:
    gate = threading.Event()

    def when_open(net: Net, width: int, height: int) -> Painter:
        assert gate.wait(60)
        return any_size(net, width, height)

    with NetPipeline(Backend("stand-in", lambda: None, when_open, thread_safe_open=True)) as pipeline:
        net_scale, session = NetScale(pipeline, background, None), press(Session(("dark",)), "[")
        net_scale.follow(session, SHADE_NET, SIZE)
        assert net_scale.used == 1.0, "it is being loaded"
        gate.set()
        background.submit(int).result()  # there is one worker, so the loading is over by then
        net_scale.follow(session, SHADE_NET, SIZE)
        assert net_scale.used == 0.85
        net_scale.follow(session, OTHER_NET, SIZE)
        assert net_scale.used == 1.0
        net_scale.follow(session, SHADE_NET, SIZE)
        assert net_scale.used == 0.85


def test_a_scale_that_cannot_be_loaded_is_reported_and_not_used(background: Executor) -> None:
    with NetPipeline(Backend("stand-in", lambda: None, only_full_size)) as pipeline:
        net_scale = NetScale(pipeline, background, None)
        session = net_scale.follow(press(Session(("dark",)), "["), SHADE_NET, SIZE)
        assert session.net_scale == session.brush == net_scale.used == 1.0
        assert session.notice == "cannot paint at 85 %: no engine for 544x408"


def test_the_governor_is_followed_with_a_notice_up_to_the_brush(background: Executor) -> None:
    with NetPipeline(Backend("stand-in", lambda: None, any_size)) as pipeline:
        net_scale = NetScale(pipeline, background, slow_governor())
        session = net_scale.follow(Session(("dark",)), SHADE_NET, SIZE)
        assert (session.net_scale, net_scale.used) == (0.5, 0.5)
        assert session.notice == "net at 50 % for 30 fps"
        coarse = net_scale.follow(replace(session, brush=0.3), SHADE_NET, SIZE)
        assert (coarse.net_scale, net_scale.used) == (0.3, 0.3)
        finer = net_scale.follow(replace(coarse, brush=1.0), SHADE_NET, SIZE)
        assert (finer.net_scale, net_scale.used) == (1.0, 1.0)


def test_a_brush_by_hand_is_the_finest_that_the_governor_may_use(background: Executor) -> None:
    with NetPipeline(Backend("stand-in", lambda: None, any_size)) as pipeline:
        governor = Governor(30)
        net_scale = NetScale(pipeline, background, governor)
        session = net_scale.follow(press(Session(("dark",)), "[["), SHADE_NET, SIZE)
        assert (session.brush, session.net_scale, net_scale.used) == (0.7, 0.7, 0.7)
        assert session.notice == "brush 70 %, by hand (g: back to 100 %)"
        for frame in range(4000):
            governor.observe(frame / 30, 1 / 31)
        assert governor.scale == 0.7, "however much time there is"
        session = net_scale.follow(press(session, "g"), SHADE_NET, SIZE)
        assert (session.brush, session.net_scale, net_scale.used) == (1.0, 1.0, 1.0)


def test_the_governor_never_asks_again_for_what_cannot_be_had(background: Executor) -> None:
    with NetPipeline(Backend("stand-in", lambda: None, only_full_size)) as pipeline:
        governor = slow_governor()
        net_scale, session = NetScale(pipeline, background, governor), Session(("dark",))
        for _ in range(10):
            session = net_scale.follow(session, SHADE_NET, SIZE)
        assert net_scale.used == governor.scale == 1.0


def test_another_backend_begins_at_full_size(background: Executor) -> None:
    with NetPipeline(Backend("stand-in", lambda: None, any_size)) as pipeline:
        net_scale = NetScale(pipeline, background, slow_governor())
        session = net_scale.follow(Session(("dark",)), SHADE_NET, SIZE)
        pipeline.change_backend(Backend("engines", lambda: None, only_full_size), SHADE_NET, SIZE)
        net_scale.restart()
        session = net_scale.follow(session, SHADE_NET, SIZE)
        assert (session.net_scale, net_scale.used) == (1.0, 1.0)
