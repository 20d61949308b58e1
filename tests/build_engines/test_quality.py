"""The FP16 graphs paint what the nets paint in FP32: on photographs, in every style, without overflow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from build_engines import quality
from build_engines.onnx.graph import onnx_from_network
from build_engines.onnx.options import GraphOptions, Statistics
from build_engines.quality import (
    FLOOR_DB,
    AccuracyReport,
    Pixels,
    Vector,
    measure_quality,
    paint_with_onnxruntime,
    paint_with_pytorch,
    psnr_db,
    sample_frames,
    with_fp16_storage,
)
from build_engines.tensorrt.engines import BuildSource, styles_of
from styles import registry
from styles.architecture import CONFIGS
from styles.training.pictures import centre_square, read_picture, write_picture
from styles.weights import load_network
from tests.build_engines.conftest import SaveNet

SHIPPED = {path.stem: path for path in sorted(registry.SHIPPED_FOLDER.glob("*.safetensors"))}


def net_file(name: str, save_net: SaveNet) -> Path:
    """Returns the shipped weights; random ones where the net is not trained yet."""
    return SHIPPED[name] if name in SHIPPED else save_net(name)


def photographs(shared: Path, side: int) -> list[Pixels]:
    files = sorted((shared / "photos" / "val").glob("*.jpg"))[:20]
    assert len(files) == 20
    return [centre_square(read_picture(file), side) for file in files]


def test_photographs_cover_the_frame_in_the_order_of_their_names(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no pictures in"):
        quality.photographs(tmp_path, 64, 48)
    tall, wide = np.zeros((200, 100, 3), np.uint8), np.zeros((48, 192, 3), np.uint8)
    tall[60:140, :, 0] = 255  # red in the middle of its height
    wide[:, :64], wide[:, 64:128, 2] = 255, 255  # the middle third is blue
    write_picture(tmp_path / "a.png", tall)
    write_picture(tmp_path / "b.png", wide)
    (tmp_path / "c.txt").write_text("no picture")
    first, second = quality.photographs(tmp_path, 64, 48)
    assert first.shape == second.shape == (48, 64, 3)
    assert set(map(tuple, first.reshape(-1, 3).tolist())) == {(255, 0, 0)}
    assert set(map(tuple, second.reshape(-1, 3).tolist())) == {(0, 0, 255)}
    assert len(quality.photographs(tmp_path, 64, 48, count=1)) == 1


@pytest.mark.needs_shared
@pytest.mark.parametrize("statistics", ["fp32", "fp16"])
@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_fp16_stays_above_the_floor_on_20_photographs_in_every_style(
    name: str, statistics: Statistics, shared: Path, save_net: SaveNet
) -> None:
    weights = net_file(name, save_net)
    styles = list(styles_of(BuildSource(name, weights)).items())
    exact = paint_with_pytorch(weights)
    half = paint_with_onnxruntime(
        onnx_from_network(load_network(weights), GraphOptions("fp16", statistics)).SerializeToString()
    )
    for number, photograph in enumerate(photographs(shared, 96)):
        # shipped nets as they are shipped: all on all; else each style on three photographs or more
        all_of_them = name in SHIPPED and statistics == "fp32"
        for style, vector in styles if all_of_them else [styles[number % len(styles)]]:
            decibels = psnr_db(half(photograph, vector), exact(photograph, vector))
            assert decibels >= FLOOR_DB, f"{style} on photograph {number}: {decibels:.1f} dB"


@pytest.mark.parametrize("statistics", ["fp32", pytest.param("fp16", marks=pytest.mark.long)])
@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_fp16_as_a_gpu_stores_it_stays_above_the_floor_also_on_smooth_gradients(
    name: str, statistics: Statistics, save_net: SaveNet
) -> None:
    weights = net_file(name, save_net)
    model = onnx_from_network(load_network(weights), GraphOptions("fp16", statistics))
    exact = paint_with_pytorch(weights)
    rounded = paint_with_onnxruntime(with_fp16_storage(model.SerializeToString()))
    # the finer the steps of a gradient, the less FP16 has of them
    size = (328, 248) if name != "article" else (96, 64)
    for number, frame in enumerate(sample_frames(*size)):
        for style, vector in styles_of(BuildSource(name, weights)).items():
            decibels = psnr_db(rounded(frame, vector), exact(frame, vector))
            assert decibels >= FLOOR_DB, f"{style} on frame {number}: {decibels:.1f} dB"


def test_rounding_what_a_gpu_stores_is_seen_in_the_painting(save_net: SaveNet) -> None:
    weights = net_file("fast", save_net)
    graph = onnx_from_network(load_network(weights), GraphOptions("fp16")).SerializeToString()
    plain, rounded = (paint_with_onnxruntime(model) for model in (graph, with_fp16_storage(graph)))
    style = next(iter(styles_of(BuildSource("fast", weights)).values()))
    frame = sample_frames(64, 48)[3]
    assert 30 < psnr_db(plain(frame, style), rounded(frame, style)) < 90
    types = {tensor.data_type for tensor in onnx.load_model_from_string(with_fp16_storage(graph)).graph.initializer}
    assert onnx.TensorProto.FLOAT16 not in types


@pytest.mark.parametrize("statistics", ["fp32", "fp16"])
@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_fp16_does_not_overflow_on_black_white_and_noise(name: str, statistics: Statistics, save_net: SaveNet) -> None:
    weights = net_file(name, save_net)
    model = onnx_from_network(load_network(weights), GraphOptions("fp16", statistics))
    watched = [node.output[0] for node in model.graph.node if node.op_type in {"Conv", "Add", "Sigmoid"}]
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(tensor) for tensor in watched)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for frame in (np.zeros_like(noise), np.full_like(noise, 255), noise, np.where(noise > 127, 255, 0)):
        for style, vector in styles_of(BuildSource(name, weights)).items():
            outputs = session.run(watched, {"frame": frame.astype(np.uint8)[None], "style": vector})
            for tensor, values in zip(watched, outputs, strict=True):
                assert np.isfinite(values).all(), f"{tensor} in {style}"


def test_psnr_is_that_of_the_textbook() -> None:
    one, other = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)
    assert psnr_db(one, other) == 0
    assert psnr_db(other, other) > 140
    one[0, 0, 0] = 255
    assert psnr_db(one, np.zeros_like(one)) == pytest.approx(10 * np.log10(48))


def test_the_accuracy_report_names_the_worst_style_and_warns_below_the_floor() -> None:
    def paint(frame: Pixels, style: Vector | None) -> Pixels:
        assert style is not None
        return (frame // 2 + int(style[0])).astype(np.uint8)

    def exact(frame: Pixels, style: Vector | None) -> Pixels:
        return (frame // 2).astype(np.uint8)

    def vector(value: float) -> NDArray[np.float32]:
        return np.array([value], np.float32)

    styles = {"near": vector(1), "far": vector(20)}
    report = measure_quality(("a", paint), ("b", exact), sample_frames(32, 16), styles)
    assert (report.worst_style, report.good, report.frames) == ("far", False, 6)
    assert "below 40 dB" in str(report)
    near = measure_quality(("a", paint), ("b", exact), sample_frames(32, 16), {"near": vector(1)})
    assert near.good
    assert str(near) == "a against b: 48.1 dB at worst (near)"
    assert isinstance(near, AccuracyReport)


def test_the_sample_frames_reach_over_the_whole_range() -> None:
    frames = sample_frames(64, 48)
    assert {frame.shape for frame in frames} == {(48, 64, 3)}
    drawn, smooth = frames[:3], frames[3:]
    assert all(frame.min() < 30 and frame.max() > 225 for frame in drawn)
    assert all(np.abs(np.diff(frame.astype(int), axis=1)).max() < 12 for frame in smooth)
