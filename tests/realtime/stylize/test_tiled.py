"""A picture painted in bands is the picture painted whole, whatever its size, and takes little memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from build_engines.onnx.graph import onnx_from_network
from realtime.backends import Net, Vector, load_backend
from realtime.frames import Frame, Pixels
from realtime.sources.scene import Scene
from realtime.stylize.styles import load_styles
from realtime.stylize.stylizer import FrameStylizer
from realtime.stylize.tiled import BandError, paint_in_bands
from styles.architecture import CONFIGS
from styles.support.openvino_core import openvino_core
from styles.weights import load_network
from tests.build_engines.conftest import SaveNet, save_net  # noqa: F401 - a fixture
from tests.conftest import ROOT


def psnr(one: Pixels, other: Pixels) -> float:
    return float(10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2).clip(1e-9)))


def patchwork(width: int, height: int) -> Pixels:
    """Returns a picture whose quarters have nothing in common: no part of it has the statistics of the whole."""
    rows, columns = np.mgrid[:height, :width]
    picture = np.array(Scene(width, height).draw(40))
    noise = np.random.default_rng(0).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    top, left = rows < height // 2, columns < width // 2
    picture[top & ~left] = cv2.resize(noise, (width, height), interpolation=cv2.INTER_NEAREST)[top & ~left]
    picture[~top & left] //= 6
    return picture


def whole(net: Net, picture: Pixels, style: Vector | None) -> Pixels:
    """Returns the painting as OpenVINO makes it in one piece, with 32 bits as the bands have."""
    core = openvino_core()
    model = core.read_model(net.onnx)
    model.reshape({"frame": [1, *picture.shape]})
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    inputs = [np.ascontiguousarray(picture)[None], *([] if style is None else [style])]
    return np.asarray(compiled(inputs)[0][0], dtype=np.uint8)


def test_bands_make_the_painting_of_the_whole_picture_without_seams() -> None:
    styles, chosen = load_styles("wreck", "fast")
    style, picture = styles[chosen], patchwork(640, 512)
    shares: list[float] = []
    banded = paint_in_bands(style.net, picture, style.vector, shares.append, band_pixels=640 * 96)
    expected = whole(style.net, picture, style.vector)
    assert psnr(banded, expected) > 50
    difference = np.abs(banded.astype(int) - expected).mean(axis=(1, 2))
    borders = np.zeros(512, bool)
    for border in range(96, 512, 96):
        borders[border - 4 : border + 4] = True
    assert difference[borders].mean() < 2 * difference[~borders].mean() + 0.01
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_the_statistics_are_those_of_the_whole_picture() -> None:
    styles, chosen = load_styles("wreck", "fast")
    style, picture = styles[chosen], patchwork(320, 256)
    expected = whole(style.net, picture, style.vector)
    halves = [whole(style.net, half, style.vector) for half in np.split(picture, 2)]
    assert psnr(np.concatenate(halves), expected) < 25, "a picture on which the statistics matter"
    assert psnr(paint_in_bands(style.net, picture, style.vector, band_pixels=320 * 64), expected) > 50


def test_a_picture_of_an_odd_size_is_painted_as_the_stylizer_paints_it() -> None:
    styles, chosen = load_styles("wave", "fast")
    style, picture = styles[chosen], patchwork(203, 331)
    with FrameStylizer(load_backend("openvino")) as stylizer:
        stylizer.start(Frame(picture, 0, 0.0), style)
        expected = stylizer.finish().pixels
    banded = paint_in_bands(style.net, picture, style.vector, band_pixels=203 * 64)
    assert banded.shape == picture.shape
    assert psnr(banded, expected) > 35, "the stylizer may compute in 16 bits"


@pytest.mark.parametrize("name", ["full", "fast"])
def test_a_net_with_one_style_baked_in_is_cut_too(name: str, tmp_path: Path, save_net: SaveNet) -> None:  # noqa: F811
    path = tmp_path / "baked.onnx"
    onnx.save(onnx_from_network(load_network(save_net(name, baked=True))), path)
    net = Net("baked", path, None, 0, CONFIGS[name].size_multiple)
    picture = patchwork(96, 192)
    assert psnr(paint_in_bands(net, picture, None, band_pixels=1), whole(net, picture, None)) > 45


def test_a_net_without_norms_is_run_in_one_go(negative: Path) -> None:
    picture = patchwork(64, 200)
    net = Net("negative", negative, None, 0, 4)
    np.testing.assert_array_equal(paint_in_bands(net, picture, None, band_pixels=1), 255 - picture)


def test_a_net_with_a_layer_that_sees_everything_is_refused(tmp_path: Path) -> None:
    ends = [helper.make_tensor_value_info(end, TensorProto.UINT8, [1, "h", "w", 3]) for end in ("frame", "painted")]
    nodes = [
        helper.make_node("Cast", ["frame"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["mean"]),
        helper.make_node("Sub", ["floats", "mean"], ["plain"]),
        helper.make_node("Cast", ["plain"], ["painted"], to=TensorProto.UINT8),
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "n", ends[:1], ends[1:]), opset_imports=[helper.make_opsetid("", 18)]
    )
    model.ir_version = 10
    onnx.save(model, tmp_path / "mean.onnx")
    with pytest.raises(BandError, match="the net 'mean' cannot do: it has layers of the kind ReduceMean"):
        paint_in_bands(Net("mean", tmp_path / "mean.onnx", None, 0, 4), patchwork(64, 64), None)


_MEASURE = """
import resource, sys
import numpy as np
from realtime.stylize.tiled import paint_in_bands
from styles.support.openvino_core import openvino_core
from realtime.stylize.styles import load_styles
styles, chosen = load_styles("wreck", "fast")
height = int(sys.argv[1])
picture = np.full((height, 2048, 3), 90, np.uint8)
paint_in_bands(styles[chosen].net, picture, styles[chosen].vector, band_pixels=2048 * 128)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="measures memory as Linux counts it")
@pytest.mark.long
def test_memory_grows_by_few_bytes_a_pixel() -> None:
    def peak(height: int) -> int:
        command = [sys.executable, "-c", _MEASURE, str(height)]
        return int(subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout)

    # 3 for the picture, 3 for the painting, 8 for what lies between
    assert (peak(2560) - peak(512)) / (2048 * 2048) < 15
