"""Nets that other people have trained paint as in their own programs; what is not certain is refused in one line."""

from __future__ import annotations

import io
import pickle
import re
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.numpy import save_file
from torch import Tensor, nn

from build_engines import cli
from build_engines.imports.torch7 import TorchObject, read_torch7
from tests.build_engines.imports.nets import ExamplesNet, JohnsonNet, RrminaNet, lively
from tests.build_engines.imports.torch7_writer import written
from tests.styles.conftest import textured

Import = Callable[..., "tuple[int, str]"]
FLOOR_DB = 50.0


@pytest.fixture
def run_import(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Import:
    """Returns `run_import(model, …)`, which runs `nst-build import` here and returns its exit code and its lines."""

    def run(*arguments: object) -> tuple[int, str]:
        capsys.readouterr()
        code = cli.main(["import", *map(str, arguments)])
        out = capsys.readouterr()
        return code, out.out + out.err

    return run


def painted(onnx: Path, frame: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {"frame": frame[None]})
    return np.asarray(result[0])


def expected(net: nn.Module, frame: np.ndarray) -> np.ndarray:
    levels: Tensor = net(torch.from_numpy(frame).permute(2, 0, 1)[None].float())
    return levels[0].round().clamp(0, 255).permute(1, 2, 0).byte().numpy()


def check_paints_like(net: nn.Module, onnx: Path, height: int = 48, width: int = 64) -> None:
    frame = textured(height, width, 5)
    one, other = painted(onnx, frame).astype(float), expected(net, frame).astype(float)
    assert one.shape == other.shape == frame.shape
    assert other.std() > 10, "a picture that would show differences"
    error = np.mean((one - other) ** 2)
    assert error == 0 or 10 * np.log10(255**2 / error) >= FLOOR_DB


# PyTorch --------------------------------------------------------------------------------------------------------------


def examples_net() -> ExamplesNet:
    net = ExamplesNet()
    lively(net, net.deconv3.get_submodule("conv2d"), middle=128, spread=3)
    return net


def rrmina_net(
    tanh: bool = False, sides: tuple[int, ...] = (3, 3), middle: float = 120, spread: float = 3
) -> RrminaNet:
    net = RrminaNet(tanh, sides)
    lively(net, net.DeconvBlock[4].get_submodule("conv_layer"), middle, spread)
    return net


def old_state(net: nn.Module) -> dict[str, Tensor]:
    """The tensors as PyTorch saved them until 0.4: instance norms have running means too, in no order."""
    state = dict(net.state_dict())
    for name in [name for name in state if name.rpartition(".")[0].rpartition(".")[2].startswith("in")]:
        layer = name.rpartition(".")[0]
        for statistic in ("running_mean", "running_var"):
            state[f"{layer}.{statistic}"] = torch.rand(len(state[f"{layer}.weight"]))
    return state


PYTORCH: dict[str, Callable[[], tuple[nn.Module, Any]]] = {
    "examples": lambda: (net := examples_net(), net.state_dict()),
    "examples, old": lambda: (net := examples_net(), old_state(net)),
    "rrmina": lambda: (net := rrmina_net(), net.state_dict()),
    "rrmina, tanh": lambda: (net := rrmina_net(True, middle=0.5, spread=0.1), net.state_dict()),
    "rrmina, ResNeXt, in a checkpoint": lambda: (net := rrmina_net(sides=(1, 3, 1)), {"state_dict": net.state_dict()}),
}


@pytest.mark.parametrize("kind", PYTORCH)
def test_a_net_of_pytorch_paints_as_it_does_there(kind: str, tmp_path: Path, run_import: Import) -> None:
    net, saved = PYTORCH[kind]()
    torch.save(saved, tmp_path / "net.pth", _use_new_zipfile_serialization="old" not in kind)
    code, told = run_import(tmp_path / "net.pth", "-o", tmp_path / "out.onnx")
    assert code == 0, told
    assert f"type: nst-live --style {tmp_path / 'out.onnx'}" in told
    check_paints_like(net, tmp_path / "out.onnx")


# Torch7 ---------------------------------------------------------------------------------------------------------------


def torch7_model(net: JohnsonNet, flat: bool = False) -> TorchObject:
    """The modules of a net as Torch7 has them; old versions kept kernels as matrices."""

    def module(kind: str, **fields: object) -> TorchObject:
        return TorchObject(f"nn.{kind}", {"_type": "torch.FloatTensor", "train": False, **fields})

    def conv(layer: nn.Module) -> TorchObject:
        assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
        full = isinstance(layer, nn.ConvTranspose2d)
        weight = layer.weight.numpy()
        (side, step, pad) = layer.kernel_size[0], layer.stride[0], layer.padding[0]
        sizes = {"kW": side, "kH": side, "dW": step, "dH": step, "padW": pad, "padH": pad}
        if full:
            sizes |= {"adjW": layer.output_padding[0], "adjH": layer.output_padding[0]}
        return module(
            "SpatialFullConvolution" if full else "SpatialConvolution",
            nInputPlane=layer.in_channels,
            nOutputPlane=layer.out_channels,
            weight=weight.reshape(len(weight), -1) if flat and not full else weight,
            bias=layer.bias.numpy() if layer.bias is not None else None,
            **sizes,
        )

    def norm(layer: nn.Module) -> TorchObject:
        assert isinstance(layer, nn.InstanceNorm2d | nn.BatchNorm2d)
        values = {"weight": layer.weight.numpy(), "bias": layer.bias.numpy(), "eps": layer.eps}
        if isinstance(layer, nn.InstanceNorm2d):
            return module("InstanceNormalization", nOutput=len(layer.weight), prev_N=-1, **values)
        assert layer.running_mean is not None
        assert layer.running_var is not None
        statistics = {"running_mean": layer.running_mean.numpy(), "running_var": layer.running_var.numpy()}
        return module("SpatialBatchNormalization", affine=True, momentum=0.1, **statistics, **values)

    relu = module("ReLU", inplace=True, threshold=0, val=0)
    margin = 8 * len(net.blocks)
    modules = [module("SpatialReflectionPadding", pad_l=margin, pad_r=margin, pad_t=margin, pad_b=margin)]
    for layer, after in zip(net.down, net.norms, strict=False):
        modules += [conv(layer), norm(after), relu]
    for block in net.blocks:
        first, one, _, second, two = block.children()
        inner = module("Sequential", modules=[conv(first), norm(one), relu, conv(second), norm(two)])
        ways = module("ConcatTable", modules=[inner, module("ShaveImage", size=2)])
        modules.append(module("Sequential", modules=[ways, module("CAddTable", inplace=False)]))
    for layer, after in zip(net.up, net.norms[3:], strict=True):
        modules += [conv(layer), norm(after), relu]
    modules += [conv(net.head), module("Tanh"), module("MulConstant", constant_scalar=150.0, inplace=False)]
    return module("Sequential", modules=[*modules, module("TotalVariation", strength=1e-6)])


def johnson_net(batch_norm: bool = False) -> JohnsonNet:
    net = JohnsonNet(batch_norm)
    lively(net, net.head, middle=0.0, spread=0.03)
    return net


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_net_of_torch7_paints_as_it_does_there(batch_norm: bool, tmp_path: Path, run_import: Import) -> None:
    net = johnson_net(batch_norm)
    options = {"arch": "c9s1-4,…", "preprocessing": "vgg", "tanh_constant": 150, "content_weights": [1.0]}
    checkpoint = {"opt": options, "train_loss_history": [3.5, 2.5], "model": torch7_model(net, flat=batch_norm)}
    (tmp_path / "net.t7").write_bytes(written(checkpoint))
    code, told = run_import(tmp_path / "net.t7")
    assert code == 0, told
    check_paints_like(net, tmp_path / "net.onnx")


def test_values_of_torch7_are_read_as_they_are() -> None:
    array = np.arange(6, dtype=np.float64).reshape(2, 3)
    again = TorchObject("nn.Thing", {"self": None, "values": array, "flag": True})
    read = read_torch7(written({"one": again, "two": again, "list": [1, "text", None]}))
    assert read["one"] is read["two"]
    assert read["one"].kind == "nn.Thing"
    assert read["one"].fields["flag"] is True
    assert np.array_equal(read["one"].fields["values"], array)
    assert read["list"] == {1.0: 1.0, 2.0: "text", 3.0: None}


# what is refused ------------------------------------------------------------------------------------------------------


class Evil:
    """Would leave a trace if it were executed."""

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        return io.open, ("executed", "w")


def saved(value: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def changed(**tensors: Tensor | None) -> bytes:
    """A net of pytorch/examples with other tensors; None leaves one out. "__" stands for a dot."""
    state: dict[str, Any] = dict(examples_net().state_dict())
    for name, tensor in tensors.items():
        state[name.replace("__", ".")] = tensor
    return saved({name: tensor for name, tensor in state.items() if tensor is not None})


def normalizing_first() -> bytes:
    state = rrmina_net().state_dict()
    return saved(dict(sorted(state.items(), key=lambda pair: ("conv_layer" in pair[0], pair[0]))))


def torch7_checkpoint(**more: Any) -> bytes:
    return written({"opt": {"preprocessing": "vgg"}, "model": torch7_model(johnson_net()), **more})


def with_module(kind: str, **fields: Any) -> bytes:
    model = torch7_model(johnson_net())
    model.fields["modules"].append(TorchObject(kind, fields))
    return written({"opt": {}, "model": model})


def beyond_its_storage() -> bytes:
    """A tensor of two values whose second lies a gigabyte behind its storage."""
    data = written(np.ones(2, np.float32))
    at = data.index(struct.pack("<3q", 2, 1, 1))
    return data[:at] + struct.pack("<3q", 2, 2**28, 1) + data[at + 24 :]


def larger_than_the_file() -> bytes:
    data = written(np.ones(2, np.float32))
    at = data.rindex(struct.pack("<q", 2))
    return data[:at] + struct.pack("<q", 2**40) + data[at + 8 :]


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "garbage.pth": (lambda: b"garbage" * 100, "it is damaged, or not a file of PyTorch"),
    "nothing.pth": (lambda: b"", "it is damaged, or not a file of PyTorch"),
    "evil.pth": (lambda: pickle.dumps(Evil()), "more than tensors|is damaged"),
    "evil_zip.pth": (lambda: saved({"a": Evil()}), "more than tensors"),
    "whole.pth": (lambda: saved(examples_net()), "more than tensors.*state_dict"),
    "list.pth": (lambda: saved([torch.ones(2)]), "holds a list; expected the tensors of a net by name"),
    "other.pth": (lambda: saved({"fc.weight": torch.ones(2, 2)}), "'fc.weight'; expected a net of pytorch/examples"),
    "lacks.pth": (lambda: changed(in3__bias=None), "lacks in3.bias"),
    "more.pth": (lambda: changed(attention__weight=torch.ones(2)), "more than such a net: 'attention.weight'"),
    "shape.pth": (lambda: changed(in3__bias=torch.ones(2, 2)), "in3.bias has the shape"),
    "narrow.pth": (lambda: changed(in3__weight=torch.ones(3), in3__bias=torch.ones(3)), "layer for 3 channels follows"),
    "nan.pth": (lambda: changed(in3__bias=torch.full((8,), torch.nan)), "values that are not numbers"),
    "tall.pth": (lambda: changed(conv2__conv2d__weight=torch.ones(6, 4, 3, 5)), "not square"),
    "first.pth": (normalizing_first, "normalizes before it convolves"),
    "unsure.pth": (lambda: saved(rrmina_net(middle=12.0, spread=0.01).state_dict()), "not certain whether .* tanh"),
    "damaged.safetensors": (lambda: b"x" * 100, "cannot be read as safetensors"),
    "garbage.t7": (lambda: b"garbage" * 100, "cannot be read as a file of Torch7"),
    "short.t7": (lambda: torch7_checkpoint()[:2000], "ends too early"),
    "function.t7": (lambda: struct.pack("<4i", 8, 1, 4, 0), "e.g. a function"),
    "nested.t7": (lambda: b"".join(struct.pack("<5id", 3, n, 1, 1, 0, 1.0)[:12] for n in range(1, 500)), "Torch7"),
    "beyond.t7": (beyond_its_storage, "ends behind its storage"),
    "large.t7": (larger_than_the_file, "ends too early"),
    "table.t7": (lambda: written({"a": 1}), "expected a table with 'model' and 'opt'"),
    "bare.t7": (lambda: torch7_checkpoint(opt=None), "lacks the options of its training"),
    "strange.t7": (lambda: torch7_checkpoint(opt={"preprocessing": "none"}), "expected vgg or resnet"),
    "module.t7": (lambda: with_module("nn.Dropout"), "a module 'nn.Dropout', which is not known"),
    "enlarged.t7": (lambda: with_module("nn.SpatialUpSamplingNearest", scale_factor=2), "makes 3 x 512 x 512 of"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_certain_is_refused_in_one_line(
    name: str, tmp_path: Path, run_import: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, words = REFUSED[name]
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(make())
    code, told = run_import(name, "-o", "out.onnx")
    assert code == 3, told
    assert told.count("\n") == 1
    assert re.search(words, told), told
    assert sorted(path.name for path in tmp_path.iterdir()) == [name], "nothing was executed or written"


def test_an_archive_that_would_unpack_to_more_than_a_net_is_not_unpacked(
    tmp_path: Path, run_import: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("build_engines.imports.files._LARGEST_FILE", 2**20)
    with zipfile.ZipFile(tmp_path / "net.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/data/0", bytes(2**22))
    code, told = run_import(tmp_path / "net.pth")
    assert (code, "it would unpack to 4 MiB; expected at most 1" in told) == (3, True)


def test_names_and_packages_are_asked_for_before_anything_is_read(
    tmp_path: Path, run_import: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(examples_net().state_dict(), tmp_path / "net.pth")
    assert run_import(tmp_path / "none.pth")[0] == 3
    assert run_import(tmp_path / "net.pth", "-o", tmp_path / "net.safetensors")[0] == 2
    (tmp_path / "net.onnx").write_bytes(b"mine")
    code, told = run_import(tmp_path / "net.pth")
    assert (code, "-y overwrites it" in told) == (2, True)
    assert (tmp_path / "net.onnx").read_bytes() == b"mine"
    assert run_import(tmp_path / "net.pth", "-y")[0] == 0
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "torch" else object())
    code, told = run_import(tmp_path / "net.pth", "-y")
    assert (code, 'pip install "nst-live[train]"' in told) == (4, True)


def test_tensors_of_pytorch_may_lie_in_a_safetensors_file(tmp_path: Path, run_import: Import) -> None:
    net = examples_net()
    save_file({name: tensor.numpy() for name, tensor in net.state_dict().items()}, tmp_path / "net.safetensors")
    assert run_import(tmp_path / "net.safetensors", "-o", tmp_path / "net.onnx")[0] == 0
    check_paints_like(net, tmp_path / "net.onnx", 44, 60)
