"""The dial against flicker: what stands still calms down, what moves leaves no ghost, a cut is a cut.

Paintings are blended in OpenCV, and by the graph that runs on GPUs, here on the processor.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest

from build_engines.onnx.options import BLEND_GRAPH
from build_engines.quality import psnr_db
from realtime.backends import Backend, Blender, Net, Painter, Vector, choose_backend
from realtime.backends.onnxruntime import OnnxBlender, onnx_painter
from realtime.frames import Frame, Pixels
from realtime.player.parts import PlayerOutputs
from realtime.player.player import Player
from realtime.screen.display import Screen
from realtime.session import DEFAULT_STEADINESS, Session
from realtime.stylize.scene_motion import MotionEstimator, SceneMotion
from realtime.stylize.stabilizer import Stabilizer
from realtime.stylize.styles import load_styles
from realtime.stylize.stylizer import FrameStylizer, Look
from styles.evaluation.steadiness import measure_steadiness, ssim, video_frames
from tests.realtime.conftest import NstLive
from tests.realtime.stand_ins import FewFrames, controls_of, press, shade

SIZE = (320, 240)


def texture(seed: int, size: tuple[int, int] = SIZE) -> Pixels:
    """Returns a picture with blobs of many colours and sizes, as scenes have."""
    width, height = size
    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3), np.float32)
    for cell, weight in ((48, 0.5), (12, 0.35), (4, 0.15)):
        blobs = rng.uniform(0, 255, (height // cell + 2, width // cell + 2, 3)).astype(np.float32)
        picture += weight * cv2.resize(blobs, size, interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(picture, 0, 255), dtype=np.uint8)


def noisy(picture: Pixels, seed: int, sigma: float = 3.0) -> Pixels:
    noise = sigma * np.random.default_rng(seed).standard_normal(picture.shape)
    return np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)


class Steady:
    """A stabilizer with frames and paintings of its own, which are blended by the graph or in OpenCV."""

    def __init__(self, by_graph: bool) -> None:
        self.by_graph = by_graph
        self.motion, self._stabilizer = MotionEstimator(), Stabilizer()
        self._painted: deque[onnxruntime.OrtValue] = deque()
        session = onnxruntime.InferenceSession(str(BLEND_GRAPH), providers=["CPUExecutionProvider"])
        self._blender = OnnxBlender(session, self._painted.popleft, "cpu")

    def watch(self, frame: Pixels, style: str = "style", dial: float = 1.0) -> SceneMotion:
        return self.motion.watch(frame, style, dial)

    def blend(self, painting: Pixels, motion: SceneMotion) -> Pixels:
        if not self.by_graph:
            return self._stabilizer.blend(painting, motion)
        self._painted.append(onnxruntime.OrtValue.ortvalue_from_numpy(painting[None]))
        return self._stabilizer.finish(self._blender, motion)


NewSteady = Callable[[], Steady]
Stabilized = Callable[..., list[Pixels]]


@pytest.fixture(params=["OpenCV", "the graph"])
def new_steady(request: pytest.FixtureRequest) -> NewSteady:
    """Returns a function that makes a stabilizer."""
    return lambda: Steady(by_graph=request.param == "the graph")


@pytest.fixture
def stabilized(new_steady: NewSteady) -> Stabilized:
    """Returns `stabilized(frames, paintings, dial)`: the paintings (without any: the frames themselves) stabilized."""

    def run(frames: Sequence[Pixels], paintings: Sequence[Pixels] | None = None, dial: float = 1.0) -> list[Pixels]:
        steady, pairs = new_steady(), zip(frames, paintings or frames, strict=True)
        return [steady.blend(painting, steady.watch(frame, dial=dial)) for frame, painting in pairs]

    return run


def flicker(pictures: Sequence[Pixels]) -> float:
    return float(np.std(np.asarray(pictures, np.float32), axis=0).mean())


def detail(picture: Pixels) -> float:
    return error(picture, np.asarray(cv2.blur(picture, (5, 5)), np.uint8))


def error(one: Pixels, other: Pixels) -> float:
    return float(np.abs(one.astype(float) - other).mean())


# --- the blending itself


def test_a_still_scene_is_calmer_the_higher_the_dial(stabilized: Stabilized) -> None:
    frames = [noisy(texture(1), seed) for seed in range(30)]
    off, half, default, full = (
        flicker(stabilized(frames, dial=dial)[10:]) for dial in (0.0, 0.5, DEFAULT_STEADINESS, 1.0)
    )
    assert off == flicker(frames[10:])
    assert full < default < half < off
    assert default < 0.5 * off


def test_a_painting_that_flickers_is_held_while_the_camera_moves(stabilized: Stabilized) -> None:
    wide = texture(2, (480, 240))
    frames = [np.ascontiguousarray(wide[:, 3 * k : 3 * k + 320]) for k in range(20)]
    paintings = [noisy(255 - frame, k, sigma=20) for k, frame in enumerate(frames)]
    result = stabilized(frames, paintings, DEFAULT_STEADINESS)

    def unrest(pictures: Sequence[Pixels]) -> float:
        """Returns how far each picture is from the one before, moved along."""
        pairs = list(itertools.pairwise(pictures))[8:]
        return float(np.mean([error(later[40:-40, 40:-43], earlier[40:-40, 43:-40]) for earlier, later in pairs]))

    assert unrest(result) < 0.6 * unrest(paintings)
    # and it is as crisp as before
    assert detail(result[-1]) > 0.75 * detail(paintings[-1])


def test_a_still_scene_whose_strokes_change_is_calmer_and_as_crisp_as_before(stabilized: Stabilized) -> None:
    def strokes(seed: int) -> Pixels:
        """Returns a painting with strokes of four pixels that are never twice alike, as nets make them of noise."""
        coarse = np.random.default_rng(seed).standard_normal((SIZE[1] // 3, SIZE[0] // 3, 3)).astype(np.float32)
        moved = cv2.resize(coarse, SIZE, interpolation=cv2.INTER_CUBIC)
        return np.asarray(np.clip(np.rint(255.0 - texture(2) + 25 * moved), 0, 255), np.uint8)

    paintings = [strokes(seed) for seed in range(16)]
    result = stabilized([texture(2)] * 16, paintings, DEFAULT_STEADINESS)
    assert flicker(result[8:]) < 0.8 * flicker(paintings[8:])
    # without what is given back it is 0.64
    assert detail(result[-1]) > 0.9 * detail(paintings[-1])


@pytest.mark.parametrize("speed", [2, 6, 16, 40])
@pytest.mark.parametrize("background", [np.full((480, 640, 3), 60, np.uint8), texture(3, (640, 480))])
def test_a_moving_edge_leaves_no_ghost(speed: int, background: Pixels, stabilized: Stabilized) -> None:
    frames, covered = [], []
    for k in range(12):
        mask = np.zeros(background.shape[:2], bool)
        mask[120:360, 20 + speed * k : 140 + speed * k] = True
        frame = background.copy()
        frame[mask] = (240, 230, 220)
        frames.append(frame)
        covered.append(mask)
    result = stabilized(frames, dial=1.0)
    for k in range(3, 10):
        trail = covered[k - 1] & ~covered[k]
        contrast = error(frames[k - 1][trail], frames[k][trail])
        assert error(result[k + 2][trail], frames[k + 2][trail]) < 0.05 * contrast


@pytest.mark.parametrize("seed", range(8))
def test_a_hard_cut_shows_nothing_of_the_scene_before(seed: int, stabilized: Stabilized) -> None:
    frames = [noisy(texture(10 + seed), k) for k in range(4)] + [noisy(texture(30 + seed), 5)]
    result = stabilized(frames)
    assert not np.array_equal(result[3], frames[3])
    assert np.array_equal(result[4], frames[4])


def test_a_jump_of_the_light_is_shown_at_once(stabilized: Stabilized) -> None:
    bright = texture(4)
    dark = (bright * 0.6).astype(np.uint8)
    result = stabilized([bright, bright, dark])
    assert error(result[2], dark) < 0.05 * error(bright, dark)


def test_another_style_starts_again(new_steady: NewSteady) -> None:
    stabilizer, frame = new_steady(), texture(5)
    one, other, another = texture(11), texture(12), noisy(texture(12), 0)
    shown = [
        stabilizer.blend(painting, stabilizer.watch(frame, style, 1.0))
        for painting, style in ((one, "one"), (other, "other"), (another, "other"))
    ]
    assert np.array_equal(shown[1], other)
    assert not np.array_equal(shown[2], another)


def test_after_a_frame_that_was_not_blended_nothing_is_kept(new_steady: NewSteady) -> None:
    stabilizer, frame, painting = new_steady(), texture(6), texture(12)
    stabilizer.blend(texture(11), stabilizer.watch(frame, "style", 1.0))
    stabilizer.watch(frame, "style", 1.0)
    assert np.array_equal(stabilizer.blend(painting, stabilizer.watch(frame, "style", 1.0)), painting)


def test_what_a_net_changes_around_a_moving_thing_follows_it(stabilized: Stabilized) -> None:
    scene = texture(13)
    frames, paintings = [], []
    for k in range(8):
        frame, painting = scene.copy(), 255 - scene
        cv2.circle(frame, (60 + 16 * k, 120), 30, (255, 255, 255), -1)
        # the halo of a receptive field
        cv2.circle(painting, (60 + 16 * k, 120), 50, (200, 40, 40), -1)
        frames.append(frame)
        paintings.append(painting)
    result = stabilized(frames, paintings)
    for shown, painting in zip(result[2:], paintings[2:], strict=True):
        assert error(shown, painting) < 2


def test_frames_may_be_watched_before_the_first_is_blended(stabilized: Stabilized, new_steady: NewSteady) -> None:
    frames = [noisy(texture(7), k) for k in range(4)]
    stabilizer = new_steady()
    motions = [stabilizer.watch(frame, "style", 1.0) for frame in frames]
    ahead = [stabilizer.blend(frame, motion) for frame, motion in zip(frames, motions, strict=True)]
    assert all(np.array_equal(one, other) for one, other in zip(ahead, stabilized(frames), strict=True))


def test_a_painting_that_was_handed_on_is_not_written_into(new_steady: NewSteady) -> None:
    frames = [noisy(texture(8), k) for k in range(3)]
    stabilizer, kept, copies = new_steady(), list[Pixels](), list[Pixels]()
    for frame in frames:
        kept.append(stabilizer.blend(frame, stabilizer.watch(frame, "style", 1.0)))
        copies.append(kept[-1].copy())
    assert all(np.array_equal(one, other) for one, other in zip(kept, copies, strict=True))


@pytest.mark.parametrize("size", [(16, 16), (1000, 16), (100, 16), (200, 24), (95, 95), (17, 300), (501, 333)])
def test_every_size_of_picture_passes(size: tuple[int, int], stabilized: Stabilized) -> None:
    frames = [noisy(texture(9, size), k) for k in range(3)]
    assert [picture.shape for picture in stabilized(frames)] == [(size[1], size[0], 3)] * 3


# --- in the loop


class StillScene(FewFrames):
    """A file of `count` equal pictures."""

    size = SIZE

    def frames(self) -> Iterator[Frame]:
        for frame in super().frames():
            yield replace(frame, pixels=texture(1), time=Fraction(frame.index, 10))


class TexturePainter:
    """Paints every frame as the texture whose number is the style, with some noise."""

    depth, description = 2, "stand-in"
    blender: Blender | None = None

    def __init__(self) -> None:
        self._started: deque[int] = deque()
        self._count = 0

    def start(self, frame: Pixels, style: Vector | None) -> None:
        assert style is not None
        self._started.append(int(style[0]))

    def finish(self) -> Pixels:
        self._count += 1
        return noisy(texture(self._started.popleft()), self._count, sigma=1.0)

    def close(self) -> None:
        pass


class Watcher:
    """Keeps every painting, and types `typed[k]` after painting k (from 1)."""

    def __init__(self, typed: Mapping[int, str]) -> None:
        self.pictures: list[Pixels] = []
        self._typed, self._waiting = typed, deque[str]()

    def write(self, pixels: Pixels, frame: Frame) -> None:
        self.pictures.append(pixels)
        self._waiting.extend(self._typed.get(len(self.pictures), ""))

    def show(self, pixels: Pixels) -> None:
        pass

    def keys(self, wait_ms: int = 1) -> str:
        return self._waiting.popleft() if self._waiting else ""

    def pointed_at(self) -> float | None:
        return None

    def fill_screen(self, on: bool) -> None:
        pass


def run_show(session: Session, typed: Mapping[int, str], count: int = 14) -> list[Pixels]:
    """Returns what a show of the styles of textures 21 and 22 shows."""
    watcher, controls = Watcher(typed), controls_of(session, shade("one", 21), shade("two", 22))
    backend = Backend("stand-in", lambda: None, lambda _net, _width, _height: TexturePainter())
    with FrameStylizer(backend) as stylizer:
        outputs = PlayerOutputs(sinks=[watcher], screen=Screen(watcher))
        Player(StillScene(count), stylizer, controls, outputs=outputs).run()
    return watcher.pictures


def which(pictures: Sequence[Pixels], candidates: Sequence[Pixels]) -> list[int]:
    """Returns for each picture which candidate it is, -1 for none."""
    found = [[error(picture, candidate) < 1.5 for candidate in candidates] for picture in pictures]
    return [near.index(True) if any(near) else -1 for near in found]


def test_the_show_steadies() -> None:
    off, on = (run_show(Session(("one", "two"), steady=steady), {}) for steady in (False, True))
    assert flicker(on[5:]) < 0.6 * flicker(off[5:])


def test_a_switch_of_styles_is_shown_at_once_however_steady() -> None:
    pictures = run_show(Session(("one", "two"), steady=True, steadiness=1.0), {3: "2", 8: "1"})
    assert set(which(pictures, [texture(21), texture(22)])) == {0, 1}


def test_original_is_shown_at_once_and_left_at_once() -> None:
    pictures = run_show(Session(("one", "two"), steady=True, steadiness=1.0), {3: "0", 8: "0"})
    assert set(which(pictures, [texture(21), texture(1)])) == {0, 1}


def test_strength_mixes_the_present_camera_picture_into_the_stabilized_painting() -> None:
    pictures = run_show(Session(("one", "two"), steady=True, strength=0.5), {})
    half = cv2.addWeighted(texture(21), 0.5, texture(1), 0.5, 0)
    assert set(which(pictures, [np.asarray(half, np.uint8)])) == {0}


def test_t_turns_the_dial_off_and_back_to_where_it_was() -> None:
    session = Session(("dark",), steady=True, steadiness=0.4)
    off = press(session, "t")
    assert (off.steady, off.notice) == (False, "steady off")
    on = press(off, "t")
    assert (on.steady, on.steadiness, on.notice) == (True, 0.4, "steady 40 %")
    assert replace(on, notice="", notice_until_s=0) == session


# --- as the command applies it


def test_the_dial_goes_from_0_to_1(nst_live: NstLive) -> None:
    told = nst_live("-i", "test", "-o", "out.mp4", "--no-window", "--steady", "1.5")
    assert told.code == 2
    assert "--steady: '1.5' is not a number from 0 to 1" in told.err


@pytest.mark.needs_shared
@pytest.mark.parametrize("clip", ["fox.mp4", "person-detection.mp4"])
def test_a_filmed_scene_is_steadier_and_still_its_painting(shared: Path, clip: str, stabilized: Stabilized) -> None:
    frames = filmed(shared / "video" / clip, 12)
    styles, chosen = load_styles("wreck", "fast")
    with FrameStylizer(choose_backend("auto").backend) as stylizer:
        plain = []
        for index, frame in enumerate(frames):
            stylizer.start(Frame(frame, index, 0.0), styles[chosen])
            plain.append(stylizer.finish().pixels)
    calm = stabilized(frames, plain, DEFAULT_STEADINESS)
    assert measure_steadiness(frames, calm).excess < 0.5 * measure_steadiness(frames, plain).excess
    assert np.mean([ssim(one, other) for one, other in zip(calm, plain, strict=True)]) > 0.85


def filmed(path: Path, count: int) -> list[Pixels]:
    """Returns the first frames of a clip at a width of 320, in a size that the net takes as it is."""
    frames = list(video_frames(path, count, 320))
    height, width = (side // 16 * 16 for side in frames[0].shape[:2])
    return [np.ascontiguousarray(frame[:height, :width]) for frame in frames]


def test_where_blending_moves_to_another_place_the_last_painting_goes_along() -> None:
    frames = [noisy(texture(7), seed) for seed in range(9)]
    there, here = Steady(by_graph=True), Steady(by_graph=False)
    moving, staying = [], []
    for index, frame in enumerate(frames):
        # e.g. the net's scale changes, and then it is as it was
        there.by_graph = not 3 <= index < 6
        moving.append(there.blend(frame, there.watch(frame)))
        staying.append(here.blend(frame, here.watch(frame)))
    assert min(psnr_db(one, other) for one, other in zip(moving, staying, strict=True)) > 45
    assert error(moving[3], frames[3]) > 1, "it does not begin again"


def test_a_frame_that_the_net_does_not_take_as_it_is_is_blended_all_the_same() -> None:
    styles, _ = load_styles("wave", "fast")
    frames = [noisy(texture(7, (230, 122)), seed) for seed in range(4)]
    pictures: dict[bool, list[Pixels]] = {}
    for by_graph in (False, True):
        backend = Backend("onnxruntime", lambda: None, partial(open_onnx, by_graph=by_graph))
        with FrameStylizer(backend, Look(steadiness=1.0)) as stylizer:
            for index, frame in enumerate(frames):
                stylizer.start(Frame(frame, index, 0.0), styles[0])
                pictures.setdefault(by_graph, []).append(stylizer.finish().pixels)
    for one, other in zip(pictures[False], pictures[True], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.needs_shared
@pytest.mark.parametrize("clip", ["fox.mp4", "person-detection.mp4"])
def test_where_the_net_runs_the_same_pictures_are_made(shared: Path, clip: str) -> None:
    frames = filmed(shared / "video" / clip, 16)
    styles, _ = load_styles("wave", "fast")
    pictures: dict[bool, list[Pixels]] = {}
    for by_graph in (False, True):
        backend = Backend("onnxruntime", lambda: None, partial(open_onnx, by_graph=by_graph))
        with FrameStylizer(backend, Look(steadiness=DEFAULT_STEADINESS)) as stylizer:
            pictures[by_graph] = []
            # a change of style on the way; two in flight
            for index, frame in enumerate(frames):
                stylizer.start(Frame(frame, index, 0.0), styles[0 if index < 8 else 1])
                if stylizer.in_flight == 2:
                    pictures[by_graph].append(stylizer.finish().pixels)
            pictures[by_graph] += [painted.pixels for painted in stylizer.drain()]
    worst = min(psnr_db(one, other) for one, other in zip(pictures[False], pictures[True], strict=True))
    assert worst >= 40
    assert any((one != other).any() for one, other in zip(pictures[False], pictures[True], strict=True))


def open_onnx(net: Net, width: int, height: int, *, by_graph: bool) -> Painter:
    return onnx_painter(net.onnx, width, height, blends=by_graph)
