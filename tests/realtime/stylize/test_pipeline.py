"""Frames go in, paintings come out: in order, at every size, each in the style that it was started with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from realtime.backends import Backend, Net, load_backend
from realtime.frames import Frame, Pixels
from realtime.sources.scene import Scene
from realtime.stylize.loaded_style import LoadedStyle
from realtime.stylize.pipeline import NetPipeline
from tests.realtime.stand_ins import SHADE_NET, ShadePainter, shade

RED, BLUE = shade("red", 10), shade("blue", 200)


def frame(index: int, size: tuple[int, int] = (64, 48)) -> Frame:
    return Frame(np.full((size[1], size[0], 3), index, np.uint8), index, captured_at_s=float(index))


class Opened:
    """A backend that keeps the painters it opened, with net and size."""

    def __init__(self) -> None:
        self.painters: list[tuple[Net, int, int, ShadePainter]] = []
        self.backend = Backend("stand-in", lambda: None, self._open)

    def _open(self, net: Net, width: int, height: int) -> ShadePainter:
        painter = ShadePainter()
        self.painters.append((net, width, height, painter))
        return painter


@pytest.fixture
def opened() -> Opened:
    return Opened()


@pytest.fixture
def pipeline(opened: Opened) -> Iterator[NetPipeline]:
    with NetPipeline(opened.backend) as entered:
        yield entered


def test_paintings_come_in_the_order_of_their_frames(pipeline: NetPipeline) -> None:
    pipeline.start(frame(0), RED)
    pipeline.start(frame(1), RED)
    assert pipeline.in_flight == 2
    assert [painted.frame.index for painted in pipeline.drain()] == [0, 1]
    assert pipeline.in_flight == 0


def test_a_change_of_style_holds_from_the_next_frame_started(pipeline: NetPipeline, opened: Opened) -> None:
    pipeline.start(frame(0), RED)
    pipeline.start(frame(1), BLUE)
    assert [int(painted.pixels[0, 0, 0]) for painted in pipeline.drain()] == [10, 200]
    assert len(opened.painters) == 1, "another style of a net costs no other painter"


def test_without_a_style_the_frame_passes_as_it_is_and_in_its_turn(pipeline: NetPipeline) -> None:
    frames = [frame(index) for index in range(3)]
    pipeline.start(frames[0], RED)
    pipeline.start(frames[1], None)
    pipeline.start(frames[2], RED)
    painted = list(pipeline.drain())
    assert [result.frame.index for result in painted] == [0, 1, 2]
    assert painted[1].pixels is frames[1].pixels


def test_each_net_and_size_has_a_painter_of_its_own_opened_once(pipeline: NetPipeline, opened: Opened) -> None:
    other = replace(RED, net=replace(SHADE_NET, name="other"))
    for size, style in (((64, 48), RED), ((32, 32), RED), ((64, 48), other), ((64, 48), BLUE)):
        pipeline.start(frame(0, size), style)
        pipeline.finish()
    assert [(net.name, width, height) for net, width, height, _ in opened.painters] == [
        ("shade", 64, 48),
        ("shade", 32, 32),
        ("other", 64, 48),
    ]


def test_leaving_closes_every_painter(opened: Opened) -> None:
    with NetPipeline(opened.backend) as pipeline:
        pipeline.painter(SHADE_NET, (64, 48))
        pipeline.painter(SHADE_NET, (32, 32))
    assert [painter.closed for *_, painter in opened.painters] == [True, True]


@pytest.mark.parametrize(
    ("multiple", "size", "opened_at"),
    [
        (8, (64, 48), (64, 48)),
        (8, (65, 47), (72, 48)),
        (4, (30, 30), (32, 32)),
        (8, (1, 1), (16, 16)),
        (4, (3, 100), (16, 100)),
    ],
)
def test_a_size_that_the_net_does_not_take_is_padded_and_cut_back(
    multiple: int, size: tuple[int, int], opened_at: tuple[int, int], pipeline: NetPipeline, opened: Opened
) -> None:
    style = replace(RED, net=replace(SHADE_NET, size_multiple=multiple))
    pipeline.start(frame(0, size), style)
    painted = pipeline.finish()
    assert [(width, height) for _, width, height, _ in opened.painters] == [opened_at]
    assert painted.pixels.shape == (size[1], size[0], 3)


# with real nets -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(64, 48), (65, 49), (63, 17), (16, 16), (9, 5), (1, 1)])
@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_padding_leaves_no_trace_in_what_is_not_padding(
    name: str, size: tuple[int, int], identity: Path, negative: Path
) -> None:
    picture: Pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    with NetPipeline(load_backend(name)) as pipeline:
        for net, wanted in ((identity, picture), (negative, 255 - picture)):
            style = LoadedStyle(net.stem, net.stem, "", Net(net.stem, net, None, 0, 8), None)
            pipeline.start(Frame(picture, 0, 0.0), style)
            np.testing.assert_array_equal(pipeline.finish().pixels, wanted)


def test_the_padded_edge_is_painted_like_the_rest(shipped: LoadedStyle) -> None:
    picture = Scene(120, 96).draw(0)
    with NetPipeline(load_backend("openvino")) as pipeline:
        for columns in (120, 117):
            pipeline.start(Frame(np.ascontiguousarray(picture[:, :columns]), 0, 0.0), shipped)
        whole, cut = (painted.pixels for painted in pipeline.drain())
    assert cut.shape == (96, 117, 3)
    # three columns less shift the statistics of the whole a little, and an edge of zeros would darken the last columns
    difference = np.abs(whole[:, :117].astype(int) - cut)
    assert difference[:, 60:100].mean() < 10
    assert abs(whole[:, 109:117].mean() - cut[:, 109:117].mean()) < 15


@pytest.fixture
def shipped() -> LoadedStyle:
    from realtime.stylize.styles import load_styles

    styles, chosen = load_styles("wreck", "fast")
    return styles[chosen]
