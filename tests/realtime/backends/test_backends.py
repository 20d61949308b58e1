"""Every backend paints what PyTorch paints and keeps frames apart; one is chosen with its reasons."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

import realtime.backends
from build_engines.quality import psnr_db
from realtime.backends import BACKENDS, Backend, BackendUnavailableError, Painter, choose_backend, load_backend
from realtime.frames import Pixels
from realtime.sources.scene import Scene
from realtime.stylize.loaded_style import LoadedStyle
from realtime.stylize.styles import load_styles
from styles.network import ConvLayer, network_from_weights
from styles.registry import network_path
from styles.training.pictures import to_picture, to_tensor
from styles.weights import load_network
from tests.conftest import ROOT

WIDTH, HEIGHT = 104, 72
# What differs from PyTorch's float32 on a CPU. OpenVINO multiplies in bfloat16 (8 bits of mantissa) where the CPU can:
# 53 to 57 dB measured over the six styles and four sizes. ONNX Runtime: 88 dB, from the kernels as the file has them.
FLOORS_DB = {"tensorrt": 40.0, "openvino": 45.0, "onnxruntime": 70.0, "pytorch": 70.0}

OpenPainter = Callable[[str], Painter]


@pytest.fixture(scope="module")
def styles() -> list[LoadedStyle]:
    """All shipped styles of the net `fast`."""
    return list(load_styles("wreck", "fast")[0])


@pytest.fixture(scope="module")
def frames() -> list[Pixels]:
    scene = Scene(WIDTH, HEIGHT)
    return [scene.draw(100 * index) for index in range(5)]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    found = load_backend(request.param)
    if reason := found.unavailable_reason():
        pytest.skip(reason)
    return found


@pytest.fixture
def painter(backend: Backend, styles: list[LoadedStyle]) -> Iterator[Painter]:
    try:
        opened = backend.open(styles[0].net, WIDTH, HEIGHT)
    except BackendUnavailableError as exc:
        pytest.skip(str(exc))
    yield opened
    opened.close()


@pytest.fixture
def reference(backend: Backend, styles: list[LoadedStyle], frames: list[Pixels]) -> list[list[Pixels]]:
    """What PyTorch paints: [style][frame]; for ONNX Runtime with kernels folded and rounded, as its file has them."""
    net = network_from_weights(load_network(network_path("fast")))
    if backend.name == "onnxruntime":
        for layer in net.modules():
            if isinstance(layer, ConvLayer):
                layer.fold()
        net.half().float()
    vectors = [torch.from_numpy(np.asarray(style.vector))[None] for style in styles]
    with torch.no_grad():
        return [[to_picture(net(to_tensor(frame), vector)) for frame in frames] for vector in vectors]


def paint(painter: Painter, frame: Pixels, style: LoadedStyle) -> Pixels:
    painter.start(frame, style.vector)
    return painter.finish()


def test_it_paints_every_style_as_pytorch_does(
    painter: Painter,
    backend: Backend,
    styles: list[LoadedStyle],
    frames: list[Pixels],
    reference: list[list[Pixels]],
) -> None:
    for style, wanted in zip(styles, reference, strict=True):
        got = paint(painter, frames[0], style)
        assert got.shape == (HEIGHT, WIDTH, 3)
        assert got.dtype == np.uint8
        assert psnr_db(got, wanted[0]) > FLOORS_DB[backend.name], style.name
    # two styles are further apart than any two backends
    assert max(psnr_db(reference[0][0], other[0]) for other in reference[1:]) < 30


def test_frames_in_flight_come_back_in_order_each_in_its_own_style(
    painter: Painter,
    backend: Backend,
    styles: list[LoadedStyle],
    frames: list[Pixels],
    reference: list[list[Pixels]],
) -> None:
    painted: list[Pixels] = []
    for index, frame in enumerate(frames):
        if index >= painter.depth:
            painted.append(painter.finish())
        painter.start(frame, styles[index].vector)
    while len(painted) < len(frames):
        painted.append(painter.finish())
    for index, got in enumerate(painted):
        assert psnr_db(got, reference[index][index]) > FLOORS_DB[backend.name], f"frame {index}"


def test_a_result_is_never_painted_over(painter: Painter, styles: list[LoadedStyle], frames: list[Pixels]) -> None:
    kept = [paint(painter, frame, styles[0]) for frame in frames]
    copies = [picture.copy() for picture in kept]
    for frame in frames:
        paint(painter, frame, styles[1])
    for picture, copy in zip(kept, copies, strict=True):
        np.testing.assert_array_equal(picture, copy)


def test_a_frame_is_only_read(painter: Painter, styles: list[LoadedStyle], frames: list[Pixels]) -> None:
    frame = frames[0].copy()
    paint(painter, frame, styles[0])
    np.testing.assert_array_equal(frame, frames[0])


def test_a_frame_with_gaps_in_memory_is_painted_like_any_other(
    painter: Painter, styles: list[LoadedStyle], frames: list[Pixels]
) -> None:
    wider = np.zeros((HEIGHT, WIDTH + 9, 3), np.uint8)
    wider[:, 4 : 4 + WIDTH] = frames[0]
    gaps = wider[:, 4 : 4 + WIDTH]
    np.testing.assert_array_equal(paint(painter, gaps, styles[0]), paint(painter, frames[0], styles[0]))


def test_a_painter_can_be_closed_with_frames_in_flight(
    backend: Backend, styles: list[LoadedStyle], frames: list[Pixels]
) -> None:
    try:
        painter = backend.open(styles[0].net, WIDTH, HEIGHT)
    except BackendUnavailableError as exc:
        pytest.skip(str(exc))
    for frame in frames[: painter.depth]:
        painter.start(frame, styles[0].vector)
    painter.close()


def test_a_painter_says_what_it_runs_on(painter: Painter, backend: Backend) -> None:
    assert painter.description.startswith(backend.name)


# the choice -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def reasons(monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """Why each backend cannot run; a test changes what it says."""
    reasons: dict[str, str | None] = {name: f"no {name} here" for name in BACKENDS}

    def load(name: str) -> Backend:
        return Backend(name, lambda: reasons[name], load_backend(name).open)

    monkeypatch.setattr(realtime.backends, "load_backend", load)
    return reasons


def test_auto_takes_the_first_that_can_run_and_says_why_not_those_before_it(reasons: dict[str, str | None]) -> None:
    reasons["onnxruntime"] = reasons["pytorch"] = None
    choice = choose_backend("auto")
    assert choice.backend.name == "onnxruntime"
    assert str(choice) == "onnxruntime (tensorrt: no tensorrt here; openvino: no openvino here)"


def test_auto_takes_the_next_where_one_has_failed_and_says_why(reasons: dict[str, str | None]) -> None:
    reasons["openvino"] = reasons["onnxruntime"] = None
    choice = choose_backend(failed={"tensorrt": "no memory left on the GPU", "openvino": "it does not open"})
    assert choice.backend.name == "onnxruntime"
    assert choice.brief_reasons == "tensorrt: no memory left on the GPU, openvino: it does not open"


@pytest.mark.parametrize(
    ("with_cuda", "second"),
    [
        ({"pytorch"}, "pytorch"),
        ({"pytorch", "onnxruntime"}, "pytorch"),
        ({"onnxruntime"}, "onnxruntime"),
        (set(), "openvino"),
    ],
)
def test_on_an_nvidia_card_what_can_use_it_comes_before_what_cannot(
    with_cuda: set[str], second: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.backends.no_gpu_reason", lambda: None)
    for name in ("pytorch", "onnxruntime"):
        monkeypatch.setattr(f"realtime.backends.{name}.finds_cuda", lambda found=name in with_cuda: found)
    assert choose_backend(failed={"tensorrt": "not here"}).backend.name == second


def test_auto_says_nothing_where_the_first_can_run(reasons: dict[str, str | None]) -> None:
    reasons["tensorrt"] = None
    assert str(choose_backend("auto")) == "tensorrt"


@pytest.mark.usefixtures("reasons")
def test_auto_without_any_gives_every_reason() -> None:
    with pytest.raises(BackendUnavailableError, match=r"^no backend can run here: tensorrt: .*; pytorch: no pytorch"):
        choose_backend("auto")


def test_a_backend_that_is_asked_for_is_never_replaced_by_another(reasons: dict[str, str | None]) -> None:
    reasons["openvino"] = None
    assert choose_backend("openvino").backend.name == "openvino"
    with pytest.raises(BackendUnavailableError, match="backend pytorch cannot run here: no pytorch here"):
        choose_backend("pytorch")


@pytest.mark.parametrize(
    ("name", "module", "package"),
    [
        ("openvino", "openvino", "openvino"),
        ("onnxruntime", "onnxruntime", "onnxruntime"),
        ("pytorch", "torch", '"nst-live[train]"'),
    ],
)
def test_a_backend_that_is_not_installed_says_what_to_type(
    name: str, module: str, package: str, missing: Callable[[str], None]
) -> None:
    missing(module)
    with pytest.raises(BackendUnavailableError) as caught:
        choose_backend(name)
    wanted = f"backend {name} cannot run here: {module} is not installed; type: pip install {package}"
    assert str(caught.value) == wanted


def test_tensorrt_says_why_it_cannot_run() -> None:
    reason = load_backend("tensorrt").unavailable_reason()
    if reason is None:
        pytest.skip("TensorRT can run here")
    with pytest.raises(BackendUnavailableError, match="backend tensorrt cannot run here: "):
        choose_backend("tensorrt")
    assert choose_backend("auto").passed_over[0] == f"tensorrt: {reason}"


def test_a_name_that_is_no_backend_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(KeyError, match="direct3d"):
        load_backend("direct3d")


CLOSE_ELSEWHERE_AND_INTERRUPT = """
    import gc, os, signal, threading
    from realtime.backends import load_backend
    from realtime.stylize.styles import load_styles

    painters = [load_backend("openvino").open(load_styles("wreck", "fast")[0][0].net, 64, 64)]

    def close() -> None:
        painters.clear()
        gc.collect()

    thread = threading.Thread(target=close)
    thread.start()
    thread.join()
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        print("interrupted")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a process is not interrupted like this on Windows")
def test_ctrl_c_is_heard_after_a_painter_was_closed_in_another_thread() -> None:
    command = [sys.executable, "-c", textwrap.dedent(CLOSE_ELSEWHERE_AND_INTERRUPT)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "interrupted\n")
