"""`nst-train base` from the outside: what it writes, what it begins with, and that a kill loses nothing but time."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file
from safetensors.torch import save_file

from styles import registry
from styles.cli.main import main
from styles.encoder import StyleEncoder, encoder_from_weights, head_from_weights
from styles.encoder_weights import load_encoder
from styles.evaluation.evaluation import evaluation_photos
from styles.evaluation.painter import network_painter, predicted_painter
from styles.network import TransformNet
from styles.registry import PICTURES, encoder_path, find_style, list_networks, list_styles
from styles.training.base.model import base_config
from styles.training.loss_network import load_loss_network
from styles.training.losses import style_loss
from styles.training.pictures import read_picture, to_tensor, write_picture
from styles.training.style_grams import style_reference
from styles.weights import WeightsError, file_sha256, load_network, load_style, read_metadata
from tests.conftest import ROOT
from tests.styles.cli.test_cli import wait_for
from tests.styles.conftest import textured

Base = Callable[..., int]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of photographs, paintings and style pictures, of 100 pixels a side and more."""
    folder = tmp_path_factory.mktemp("base")
    for name, count, grain in (("photos", 5, 3.0), ("paintings", 6, 1.5), ("pictures", 2, 4.0)):
        (folder / name).mkdir()
        for index in range(count):
            picture = textured(100 + 4 * index, 110, seed=100 * count + index, grain=grain)
            write_picture(folder / name / f"{name[:-1]}_{index}.png", picture)
    return folder


@pytest.fixture
def words(folders: Path, loss_network_file: Path) -> list[str]:
    """What every small training has in common: the net `fast`, crops of 64 pixels."""
    pictures = [str(path) for path in sorted((folders / "pictures").iterdir())]
    where = ["--photos", str(folders / "photos"), "--paintings", str(folders / "paintings"), "--styles", *pictures]
    sizes = ["--crop", "64", "--nets", "fast", "--threads", "1", "--device", "cpu"]
    return [*where, *sizes, "--loss-network", str(loss_network_file), "--structure-weight", "5e6"]


@pytest.fixture
def base(words: list[str]) -> Base:
    """Returns `base(folder, …)`, which runs nst-train base."""
    return lambda folder, *more: main(["base", str(folder), *words, *more])


def weights_equal(one: Path, other: Path) -> bool:
    names = ("fast.safetensors", "encoder.safetensors")
    pairs = [(load_file(one / name), load_file(other / name)) for name in names]
    return all(a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a) for a, b in pairs)


def test_both_nets_are_trained_with_one_encoder_and_exported_as_they_are_shipped(
    base: Base,
    tmp_path: Path,
    folders: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work, shipped = tmp_path / "work", tmp_path / "shipped"
    assert base(work, "--nets", "fast", "full", "--steps", "2", "--seed", "4") == 0
    out, err = capsys.readouterr()
    assert out.split() == [str(work / f"{name}.safetensors") for name in ("fast", "full", "encoder")]
    assert "5 photographs" in err
    assert "6 paintings" in err
    for name in ("fast", "full"):
        for kind in ("own", "predicted"):
            assert read_picture(work / f"preview-{name}-{kind}.jpg").shape == (2 * 64, 4 * 64, 3)

    assert main(["base", "export", str(work), "-o", str(shipped)]) == 0
    files = sorted(path.relative_to(shipped).as_posix() for path in shipped.rglob("*.*"))
    assert files == [
        "encoder.safetensors",
        "fast.safetensors",
        "fast/picture_0.safetensors",
        "fast/picture_1.safetensors",
        "full.safetensors",
        "full/picture_0.safetensors",
        "full/picture_1.safetensors",
    ]
    assert main(["base", "export", str(work), "-o", str(shipped)]) == 2
    assert "fast.safetensors exists already; to replace it, add -y" in capsys.readouterr().err

    monkeypatch.setattr(registry, "SHIPPED_FOLDER", shipped)
    monkeypatch.setenv("NST_LIVE_STYLES", str(tmp_path / "none"))
    assert list(list_networks()) == ["fast", "full"]
    assert [(style.network, style.name) for style in list_styles()] == [
        (net, style) for net in ("fast", "full") for style in ("picture_0", "picture_1")
    ]
    photo = read_picture(folders / "photos" / "photo_0.png")
    for name in ("fast", "full"):
        net = load_network(shipped / f"{name}.safetensors")
        assert net.config == base_config(name)
        assert net.config.up[1].skip
        assert json.loads(net.metadata["styles"]) == ["picture_0", "picture_1"]
        assert (net.metadata["network"], net.metadata["steps"], net.metadata["seed"]) == (name, "2", "4")
        assert json.loads(net.metadata["loss_weights"])["structure"] == 5e6
        assert net.metadata["command"].startswith("nst-train base work --photos photos --paintings paintings")
        assert str(folders) not in str(net.metadata)
        style = load_style(find_style("picture_1", name).path)
        trained = load_file(work / f"{name}.safetensors")
        np.testing.assert_array_equal(style.vector, trained["vectors"][1].astype(np.float32))
        painted = network_painter(net, style.vector, torch.device("cpu"))(photo)
        assert painted.shape == photo.shape
        assert painted.std() > 1
    found = encoder_path()
    assert found == shipped / "encoder.safetensors"
    encoder = load_encoder(found)
    assert {name: head.network_sha256 for name, head in encoder.heads.items()} == {
        name: file_sha256(shipped / f"{name}.safetensors") for name in ("fast", "full")
    }
    style_picture = torch.rand(1, 3, 64, 64)
    code = encoder_from_weights(encoder)(style_picture)
    predicted = head_from_weights(encoder.heads["full"])(code)[0].numpy()
    network_painter(load_network(shipped / "full.safetensors"), predicted, torch.device("cpu"))(photo)


def test_the_encoder_alone_leaves_the_nets_as_they_are(
    base: Base, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert base(tmp_path / "nets", "--steps", "1") == 0
    alone = ["--encoder-alone", "--init", str(tmp_path / "nets"), "--steps", "1"]
    assert base(tmp_path / "encoder", *alone) == 0
    before, after = (load_file(tmp_path / name / "fast.safetensors") for name in ("nets", "encoder"))
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed == {"head.weight", "head.bias"}
    before, after = (load_file(tmp_path / name / "encoder.safetensors") for name in ("nets", "encoder"))
    assert any(not np.array_equal(before[name], after[name]) for name in before)
    capsys.readouterr()
    assert base(tmp_path / "other", "--encoder-alone") == 2
    assert "expected --init DIR" in capsys.readouterr().err
    assert base(tmp_path / "other", *alone, "--own-share", "0.5") == 2
    assert "leave out --own-share" in capsys.readouterr().err


@pytest.mark.long
def test_killed_and_typed_again_gives_the_same_weights(base: Base, words: list[str], tmp_path: Path) -> None:
    length = ["--steps", "4", "--finish", "2", "--checkpoint-minutes", "0.0001"]  # after every step
    assert base(tmp_path / "whole", *length) == 0

    work = tmp_path / "killed"
    command = [sys.executable, "-m", "styles.cli.main", "base", str(work), *words, *length]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as killed:
        wait_for(work / "preview-fast-predicted.jpg", lambda: killed.poll() is None)
        killed.kill()
    assert killed.returncode == -signal.SIGKILL
    (work / f"checkpoint.pt.{killed.pid}.partial").write_bytes(b"half")

    assert base(work, *length) == 0
    assert weights_equal(work, tmp_path / "whole")
    assert not list(work.glob("*.partial"))


def under_torchrun(*arguments: object) -> subprocess.Popen[str]:
    """Starts two processes that train together."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "styles", "base"]
    command = [sys.executable, *torchrun, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, text=True, stderr=subprocess.PIPE, stdout=subprocess.PIPE)


def workers_of(agent: subprocess.Popen[str]) -> dict[int, int]:
    """Returns the processes that torchrun has started, by their rank."""
    children = Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split()
    ranks = {}
    for child in children:
        words = Path(f"/proc/{child}/environ").read_bytes().decode(errors="replace").split("\0")
        environment = dict(word.partition("=")[::2] for word in words)
        if "RANK" in environment:
            ranks[int(environment["RANK"])] = int(child)
    return ranks


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
@pytest.mark.parametrize("killed", [1, 0])
def test_the_loss_of_a_process_ends_a_training_of_several_with_a_checkpoint(
    base: Base, words: list[str], tmp_path: Path, killed: int
) -> None:
    work = tmp_path / "work"
    with under_torchrun(work, *words, "--checkpoint-minutes", "0.01", "--steps", "100000") as agent:
        wait_for(work / "preview-fast-predicted.jpg", lambda: agent.poll() is None)
        before = read_metadata(work / "fast.safetensors")["steps"]
        os.kill(workers_of(agent)[killed], signal.SIGKILL)
        _, err = agent.communicate(timeout=120)
    assert agent.returncode == 1
    (line,) = (line for line in err.splitlines() if line.startswith("nst-train: "))
    lost = re.fullmatch(
        r"nst-train: a process of the training was lost after step (\d+); type the same command to go on", line
    )
    assert lost, err
    steps = int(lost[1])
    assert steps >= int(before)
    assert read_metadata(work / "fast.safetensors")["steps"] == str(steps)
    # and one process alone goes on
    assert base(work, "--steps", str(steps + 1)) == 0
    assert read_metadata(work / "fast.safetensors")["steps"] == str(steps + 1)


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_several_processes_stop_together_and_are_refused_in_one_line(words: list[str], tmp_path: Path) -> None:
    work = tmp_path / "work"
    with under_torchrun(work, *words, "--checkpoint-minutes", "0.01") as agent:
        wait_for(work / "preview-fast-predicted.jpg", lambda: agent.poll() is None)
        os.kill(workers_of(agent)[1], signal.SIGINT)
        _, err = agent.communicate(timeout=120)
    (line,) = (line for line in err.splitlines() if line.startswith("nst-train: "))
    stopped = re.search(r"stopped at step (\d+); type the same command to go on", line)
    assert stopped, err
    assert read_metadata(work / "fast.safetensors")["steps"] == stopped[1]

    with under_torchrun(work, *words, "--batch", "6") as agent:
        _, err = agent.communicate(timeout=120)
    lines = [line for line in err.splitlines() if line.startswith("nst-train: ")]
    assert len(lines) == 1, err
    assert "are 3 photographs in the given styles and 3 like paintings; expected multiples of 2" in lines[0]


def test_ctrl_c_keeps_everything_and_the_same_command_goes_on(
    base: Base, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "work"

    def press() -> None:
        wait_for(work / "preview-fast-predicted.jpg", lambda: True)
        os.kill(os.getpid(), signal.SIGINT)

    finger = threading.Thread(target=press)
    finger.start()
    code = base(work, "--checkpoint-minutes", "0.0001")
    finger.join()
    assert code == 130
    last = capsys.readouterr().err.splitlines()[-1]
    stopped = re.search(r"stopped at step (\d+); type the same command to go on", last)
    assert stopped
    steps = int(stopped[1])
    assert read_metadata(work / "fast.safetensors")["steps"] == str(steps)
    assert base(work, "--steps", str(steps + 1)) == 0
    assert f"going on from step {steps}" in capsys.readouterr().err
    assert read_metadata(work / "encoder.safetensors")["steps"] == str(steps + 1)


def test_a_training_begins_with_the_files_of_another_or_as_they_are_shipped(
    base: Base, tmp_path: Path, folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, still = tmp_path / "first", ["--learning-rate", "1e-12", "--steps", "1"]
    assert base(first, "--steps", "3") == 0
    assert main(["base", "export", str(first), "-o", str(tmp_path / "shipped"), "--nets", "fast"]) == 0
    for name in ("first", "shipped"):
        second = tmp_path / f"after {name}"
        assert base(second, "--init", str(tmp_path / name), *still) == 0
        for file in ("fast.safetensors", "encoder.safetensors"):
            before, after = load_file(first / file), load_file(second / file)
            assert before.keys() == after.keys()
            for key in before:
                if "running" not in key:  # a batch norm sees other pictures
                    np.testing.assert_allclose(after[key], before[key], atol=1e-3, err_msg=key)
        history = read_metadata(second / "fast.safetensors")["history"]
        assert history == f"3 steps: {read_metadata(first / 'fast.safetensors')['command']}"
    # the folder that it began with is not needed any more
    shutil.rmtree(first)
    second = tmp_path / "after first"
    assert base(second, "--init", str(first), "--learning-rate", "1e-12", "--steps", "2") == 0
    assert read_metadata(second / "fast.safetensors")["history"] == history


def test_a_new_style_begins_as_it_is_predicted(base: Base, tmp_path: Path, folders: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert base(first, "--steps", "2") == 0
    new = folders / "paintings" / "painting_3.png"
    assert base(second, "--init", str(first), "--learning-rate", "1e-12", "--steps", "1", "--styles", str(new)) == 0
    before, after = (load_file(folder / "fast.safetensors")["vectors"] for folder in (first, second))
    assert after.shape == (3, before.shape[1])
    np.testing.assert_allclose(after[:2], before, atol=1e-3)
    distance = np.abs(after[2] - before.mean(axis=0)).max()
    assert 1e-3 < distance < 3


def test_files_that_name_no_styles_are_of_the_six(base: Base, tmp_path: Path, folders: Path) -> None:
    """Nets of half precision with `net.*`, `vectors` and `head.*`, and an encoder with the counters of batch norms."""
    torch.manual_seed(0)
    old, net, encoder = tmp_path / "old", TransformNet(base_config("fast")), StyleEncoder()
    old.mkdir()
    vectors = torch.randn(6, net.style_size)
    tensors = {f"net.{name}": value.half() for name, value in net.state_dict().items()}
    tensors |= {"vectors": vectors.half(), "head.weight": torch.randn(net.style_size, 256).half() / 50}
    save_file({**tensors, "head.bias": vectors.mean(dim=0).half()}, old / "fast.safetensors", {"steps": "7"})
    floats = {
        name: value.half() if value.is_floating_point() else value for name, value in encoder.state_dict().items()
    }
    save_file(floats, old / "encoder.safetensors")
    wave = tmp_path / "wave.png"
    shutil.copy(folders / "pictures" / "picture_0.png", wave)
    out = tmp_path / "out"
    assert base(out, "--init", str(old), "--learning-rate", "1e-12", "--steps", "1", "--styles", str(wave)) == 0
    with safe_open(out / "fast.safetensors", "np") as file:
        found = file.get_tensor("vectors")
    np.testing.assert_allclose(found[2], vectors[list(PICTURES).index("wave")], atol=2e-3)
    assert read_metadata(out / "fast.safetensors")["history"] == "7 steps: unknown"


def test_pictures_are_left_out(base: Base, tmp_path: Path, folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "held_out.txt").write_text("painting_0.png\npainting_5.png\n")
    more = tmp_path / "more"
    more.mkdir()
    shutil.copy(folders / "pictures" / "picture_0.png", more / "another name.png")
    shutil.copy(folders / "photos" / "photo_0.png", more)
    options = ["--without", str(tmp_path / "held_out.txt"), "--paintings", str(more)]
    assert base(tmp_path / "work", "--steps", "1", *options) == 0
    # two by name, and one that is a style
    assert "5 paintings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "code", "line"),
    [
        (["--crop", "60"], 2, "--crop 60: expected a multiple of 8, 64 and up"),
        (["--crop", "68"], 2, "--crop 68: expected a multiple of 8, 64 and up"),
        (["--own-share", "0.1"], 2, "--own-share 0.1 of --batch 4 are 0 photographs in the given styles; expected"),
        (["--batch", "1"], 2, "of --batch 1 are 0 photographs"),
        (["--nets", "fast", "fast"], 2, "--nets fast fast: expected each net once"),
        (["--styles", "TMP/pictures/picture_0.png"], 2, "two pictures are called 'picture_0'"),
        (["--styles", "TMP/none.png"], 3, "no picture at TMP/none.png"),
        (["--init", "TMP"], 3, "no net 'fast' to begin with at TMP/fast.safetensors"),
        (["--photos", "TMP/none"], 3, "no folder of photographs at TMP/none"),
        (["--without", "TMP/none.txt"], 3, "TMP/none.txt cannot be read"),
        (["--style-weight", "wave=2"], 2, "--style-weight wave=…: no such style here"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_a_line(
    base: Base,
    tmp_path: Path,
    folders: Path,
    *,
    more: list[str],
    code: int,
    line: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert base(tmp_path / "work", "--steps", "1", *(word.replace("TMP", str(folders)) for word in more)) == code
    assert line.replace("TMP", str(folders)) in capsys.readouterr().err.splitlines()[-1]


def test_a_training_of_other_settings_begins_in_a_folder_of_its_own(
    base: Base, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert base(tmp_path / "work", "--steps", "1") == 0
    capsys.readouterr()
    assert base(tmp_path / "work", "--steps", "2", "--tv-weight", "100") == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "(plan.weights.tv: 200.0, now 100.0); type the same command, or begin in another folder with --init" in error


def test_a_folder_is_for_one_training_at_a_time(
    base: Base, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fcntl = pytest.importorskip("fcntl")
    work = tmp_path / "work"
    work.mkdir()
    with (work / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert base(work, "--steps", "1") == 2
    assert f"another process trains in {work}" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert base(tmp_path / "file", "--steps", "1") == 2
    assert "cannot write into" in capsys.readouterr().err


def test_what_is_no_base_training_is_not_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["base", "export", str(tmp_path), "-o", str(tmp_path / "out")]) == 3
    assert "no encoder at" in capsys.readouterr().err


def test_predicted_styles_are_measured_beside_unpainted_photographs(
    base: Base,
    tmp_path: Path,
    folders: Path,
    loss_network_file: Path,
    *,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    photos = tmp_path / "val"
    photos.mkdir()
    for seed in range(2):
        write_picture(photos / f"{seed}.png", textured(170, 180, seed=seed))
    styles = [str(folders / "paintings" / f"painting_{index}.png") for index in (1, 2)]
    words = ["evaluate", "--style-picture", *styles, "--photos", str(photos), "--size", "160", "--device", "cpu"]
    words += ["--loss-network", str(loss_network_file), "--style-scale", "64"]
    shipped = tmp_path / "shipped"
    monkeypatch.setattr(registry, "SHIPPED_FOLDER", shipped)
    monkeypatch.setenv("NST_LIVE_STYLES", str(tmp_path / "none"))
    assert main(words) == 3
    assert "there is no style encoder; nst-train base trains one" in capsys.readouterr().err
    assert base(tmp_path / "work", "--steps", "1") == 0
    assert main(["base", "export", str(tmp_path / "work"), "-o", str(shipped), "--nets", "fast"]) == 0
    capsys.readouterr()

    assert main([*words, "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert [first["style"], second["style"]] == ["painting_1:predicted", "painting_2:predicted"]
    encoder, net = load_encoder(shipped / "encoder.safetensors"), load_network(shipped / "fast.safetensors")
    network = load_loss_network(loss_network_file)
    picture = read_picture(Path(styles[0]))
    reference = style_reference(picture, network, 64)
    paint = predicted_painter(encoder, "fast", net, picture, torch.device("cpu"))
    ratios = []
    for photo in evaluation_photos(photos, size=160):
        both = (network(to_tensor(each)).grams for each in (paint(photo), photo))
        painted, plain = (float(style_loss(grams, reference.grams)) for grams in both)
        ratios.append(painted / plain)
    assert first["style/photo"] == pytest.approx(np.mean(ratios), rel=1e-4)

    assert main([*words, "picture_0=photo", "--pictures", str(folders / "pictures")]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^160  style/photo: mean \d+\.\d+, worst \d+\.\d+$", out, flags=re.MULTILINE)
    assert main([*words[:1], *words[4:]]) == 2
    assert "say what to evaluate: a STYLE, --style-picture FILE or both" in capsys.readouterr().err
    assert main([*words, "--net", "full"]) == 2
    assert "no net called 'full'" in capsys.readouterr().err


def test_an_encoder_predicts_no_styles_for_another_training_of_its_net(
    base: Base, tmp_path: Path, folders: Path
) -> None:
    assert base(tmp_path / "work", "--steps", "1") == 0
    assert main(["base", "export", str(tmp_path / "work"), "-o", str(tmp_path / "out"), "--nets", "fast"]) == 0
    encoder, net = load_encoder(tmp_path / "out/encoder.safetensors"), load_network(tmp_path / "out/fast.safetensors")
    picture = read_picture(folders / "pictures" / "picture_0.png")
    for name, other in (("full", net), ("fast", replace(net, sha256="0" * 64))):
        with pytest.raises(WeightsError, match=rf"for this version of the net '{name}' \(its nets: fast\)"):
            predicted_painter(encoder, name, other, picture, torch.device("cpu"))
