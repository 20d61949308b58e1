"""What is built, what exists already, and what cannot be used."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from build_engines import cli
from build_engines.gpus import NoGpuError, no_gpu_reason
from build_engines.onnx.cache import write_onnx
from build_engines.onnx.layout import FrameSizeError
from build_engines.onnx.options import GraphOptions
from build_engines.tensorrt.cache import EngineCache, EngineSpec, UnusableEngineError, read_engine
from build_engines.tensorrt.engines import BuildSource, BuildTarget, TargetError, find_target, plan_engine, styles_of
from build_engines.tensorrt.variants import Variant
from styles.weights import file_sha256, save_style
from tests.build_engines.conftest import SaveNet, some_style
from tests.conftest import ROOT

SPEC = EngineSpec("fast", "a" * 64, 1, 320, 192, "fp16", "fp32", "rtx", "1.7", "sm86", "")
ENGINE = bytes(range(256)) * 10


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    return EngineCache(tmp_path / "engines")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of the user's own styles; the nets in it hide shipped ones."""
    folder = tmp_path / "styles"
    folder.mkdir()
    monkeypatch.setenv("NST_LIVE_STYLES", str(folder))
    monkeypatch.setattr("styles.registry.SHIPPED_FOLDER", tmp_path / "nothing shipped")
    return folder


@pytest.fixture
def net_at_home(save_net: SaveNet, home: Path, rtx: Variant) -> Path:
    return save_net("fast", folder=home)


def nst_build(*argv: object) -> int:
    return cli.main([str(argument) for argument in argv])


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.engine")}


def test_a_stored_engine_is_found_with_its_facts(cache: EngineCache) -> None:
    cache.store(SPEC, ENGINE, {"build_s": 1.5})
    found = cache.find(SPEC)
    assert read_engine(found) == ENGINE
    assert found.metadata["build_s"] == 1.5
    assert sorted(path.suffix for path in cache.folder.iterdir()) == [".engine", ".json"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"source_sha256": "b" * 64}, "the weights changed from aaaaaaaa… to bbbbbbbb…"),
        ({"runtime_version": "1.8"}, "TensorRT's version changed from 1.7 to 1.8"),
        ({"graph_version": 2}, "the graph's version changed"),
        ({"gpu": "RTX 3090"}, "the GPU changed"),
        ({"opt_level": 5}, "the optimization level changed"),
    ],
)
def test_an_engine_is_not_used_if_its_spec_differs(change: dict[str, object], reason: str, cache: EngineCache) -> None:
    cache.store(SPEC, ENGINE, {})
    with pytest.raises(UnusableEngineError) as caught:
        cache.find(dataclasses.replace(SPEC, **change))  # type: ignore[arg-type]
    assert reason in str(caught.value)


def test_every_fact_of_a_spec_decides(cache: EngineCache) -> None:
    """No field is forgotten: changing any of them makes the engine unusable or names another file."""
    cache.store(SPEC, ENGINE, {})
    for field in dataclasses.fields(EngineSpec):
        value = getattr(SPEC, field.name)
        other = value + 1 if isinstance(value, int) else f"{value}x"
        with pytest.raises(UnusableEngineError):
            cache.find(dataclasses.replace(SPEC, **{field.name: other}))  # type: ignore[arg-type]


def test_engines_of_other_sizes_precisions_and_targets_lie_side_by_side(cache: EngineCache) -> None:
    cache.store(SPEC, ENGINE, {})
    cache.store(dataclasses.replace(SPEC, width=640), ENGINE, {})
    cache.store(dataclasses.replace(SPEC, height=640), ENGINE, {})
    cache.store(dataclasses.replace(SPEC, precision="fp32"), ENGINE, {})
    cache.store(dataclasses.replace(SPEC, statistics="fp16"), ENGINE, {})
    cache.store(dataclasses.replace(SPEC, target="sm89"), ENGINE, {})
    assert len(list(cache.list())) == 6


def test_a_damaged_engine_is_not_used(cache: EngineCache) -> None:
    stored = cache.store(SPEC, ENGINE, {})
    stored.path.write_bytes(ENGINE[:-1])
    with pytest.raises(UnusableEngineError, match="is damaged"):
        cache.find(SPEC)
    stored.path.with_suffix(".json").write_text("{")
    with pytest.raises(UnusableEngineError, match="has no readable side file"):
        cache.find(SPEC)
    stored.path.unlink()
    with pytest.raises(UnusableEngineError, match="is not built"):
        cache.find(SPEC)


def test_an_engine_that_cannot_be_written_leaves_the_old_one_as_it_was(
    cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = cache.store(SPEC, ENGINE, {})

    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        cache.store(SPEC, ENGINE[::-1], {})
    assert cache.find(SPEC).path == stored.path
    assert stored.path.read_bytes() == ENGINE
    assert not list(cache.folder.glob("*.partial"))


def test_an_engine_killed_between_its_two_files_is_not_used(cache: EngineCache) -> None:
    cache.store(SPEC, ENGINE, {})
    newer = dataclasses.replace(SPEC, source_sha256="b" * 64)
    cache.path(newer).write_bytes(ENGINE[::-1])  # the new engine, still beside the old side file
    for spec in (SPEC, newer):
        with pytest.raises(UnusableEngineError):
            cache.find(spec)


def test_what_killed_builds_left_behind_goes_after_a_day(cache: EngineCache) -> None:
    cache.folder.mkdir()
    old, new = cache.folder / "a.engine.17.partial", cache.folder / "b.engine.18.partial"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 90000,) * 2)
    cache.sweep()
    assert list(cache.folder.iterdir()) == [new]


def test_a_second_run_builds_nothing_and_a_change_builds_what_it_must(
    save_net: SaveNet, home: Path, tmp_path: Path, rtx: Variant, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("fast", "full"):
        save_net(name, folder=home)
    wave = save_net("fast", baked=True, folder=tmp_path).rename(home / "wave.safetensors")
    engines = tmp_path / "engines"
    build = (
        "all",
        "--runtime",
        "rtx",
        "--target",
        "sm86",
        "--no-receipt",
        "--engine-dir",
        engines,
        "--size",
        "320x192",
    )

    assert nst_build(*build) == 0
    first = times(engines)
    blend = "stabilizer-320x192-fp32-rtx-sm86.engine"
    assert sorted(first) == sorted(
        [blend, *(f"{net}-320x192-fp16-rtx-sm86.engine" for net in ("fast", "full", "wave"))]
    )

    assert nst_build(*build) == 0
    assert times(engines) == first

    save_net("fast", seed=1, baked=True, folder=tmp_path).rename(wave)
    assert nst_build(*build) == 0
    assert "wave-320x192-fp16-rtx-sm86.engine is out of date: the weights changed" in capsys.readouterr().err
    second = times(engines)
    assert {name for name in first if first[name] != second[name]} == {"wave-320x192-fp16-rtx-sm86.engine"}

    assert nst_build(*build, "640x480") == 0
    third = times(engines)
    assert {name: third[name] for name in second} == second
    assert len(third) == 2 * len(first)

    assert nst_build("fast", *build[1:], "--rebuild") == 0
    fourth = times(engines)
    assert {name for name in third if third[name] != fourth[name]} == {blend, "fast-320x192-fp16-rtx-sm86.engine"}

    assert nst_build("wave", *build[1:], "--target", "sm89") == 0
    others = {blend.replace("sm86", "sm89"), "wave-320x192-fp16-rtx-sm89.engine"}
    assert set(times(engines)) - set(fourth) == others
    assert not list(engines.glob("*.partial"))


def test_the_accuracy_report_is_printed_kept_and_warns_below_the_floor(
    save_net: SaveNet, home: Path, tmp_path: Path, rtx: Variant, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = save_net("fast", folder=home)
    build = (weights, "--target", "sm86", "--engine-dir", tmp_path, "--size", "320x192")
    assert nst_build(*build) == 0
    assert "the FP16 graph under ONNX Runtime, rounded like on a GPU against FP32 PyTorch" in capsys.readouterr().out
    (side_file,) = tmp_path.glob("fast-*.json")
    assert json.loads(side_file.read_text())["quality"]["psnr_db"] > 40
    assert nst_build(*build, "--check") == 0
    assert nst_build("--list", "--engine-dir", tmp_path) == 0
    assert " dB" in capsys.readouterr().out
    assert nst_build(*build[:-1], "640x480", "--check") == 1
    assert "fast-640x480-fp16-rtx-sm86.engine is not built" in capsys.readouterr().out


def test_an_onnx_file_becomes_an_engine(save_net: SaveNet, tmp_path: Path, rtx: Variant) -> None:
    file = tmp_path / "foreign.onnx"
    write_onnx(save_net("fast"), file)
    build = ("--onnx", file, "--target", "sm86", "--engine-dir", tmp_path, "--precision", "fp32")
    assert nst_build(*build, "--size", "320x192") == 0
    assert (tmp_path / "foreign-320x192-fp32-rtx-sm86.engine").is_file()
    with pytest.raises(FrameSizeError, match="from 16x16 in steps of 8, not 320x8"):
        plan_engine(BuildSource("foreign", None, file), (320, 8), rtx, BuildTarget("sm86"))


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (["nonsense", "--target", "sm86"], 2, "no style called 'nonsense'"),
        (["gone.safetensors", "--target", "sm86"], 3, "no weights file at gone.safetensors"),
        (["all", "--target", "sm42"], 2, "tensorrt_rtx 1"),
        (["fast", "--target", "sm86", "--size", "644x480"], 2, "the nearest is 640x480"),
        (["--onnx", "gone.onnx", "--target", "sm86"], 3, "no ONNX file at gone.onnx"),
    ],
)
def test_a_refusal_is_one_clear_line(
    argv: list[str], code: int, message: str, net_at_home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert nst_build(*argv) == code
    error = capfd.readouterr().err
    assert error.startswith("nst-build: ")
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="pipes")
def test_who_has_seen_enough_of_a_list_is_no_error() -> None:
    command = [sys.executable, "-m", "build_engines.cli", "--list"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0


def test_a_bad_word_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        nst_build("--size", "big")
    assert caught.value.code == 2
    assert "'big' is not a size; expected WxH, e.g. 640x480" in capsys.readouterr().err


@pytest.mark.skipif(no_gpu_reason() is None, reason="there is a GPU here")
def test_without_a_gpu_a_target_must_be_named(rtx: Variant) -> None:
    with pytest.raises(NoGpuError, match=r"no NVIDIA .*--target sm86"):
        find_target(rtx)
    with pytest.raises(NoGpuError, match="to build without one, type: --runtime rtx"):
        find_target(dataclasses.replace(rtx, name="tensorrt"))
    assert find_target(rtx, "sm86") == BuildTarget("sm86")
    with pytest.raises(TargetError):
        find_target(rtx, "sm1")


def test_a_spec_names_the_version_and_the_weights(save_net: SaveNet, rtx: Variant) -> None:
    weights = save_net("fast")
    spec = plan_engine(
        BuildSource("fast", weights), (320, 192), rtx, BuildTarget("sm86"), options=GraphOptions("fp32", "fp16")
    )
    assert spec.source_sha256 == file_sha256(weights)
    assert spec.runtime_version == rtx.version
    assert spec.statistics == "fp32"  # in an fp32 graph there is no other


def test_of_a_style_that_two_nets_have_the_one_is_built_that_nst_live_takes(
    save_net: SaveNet, home: Path, tmp_path: Path, rtx: Variant
) -> None:
    for net in ("fast", "full"):
        mine = {"network": net, "network_sha256": file_sha256(save_net(net, folder=home))}
        save_style(home / net / "wave.safetensors", some_style(net), mine)
    build = ("wave", "--target", "sm86", "--engine-dir", tmp_path / "engines", "--no-receipt")
    assert nst_build(*build) == 0
    built = {"full-640x480-fp16-rtx-sm86.engine", "stabilizer-640x480-fp32-rtx-sm86.engine"}
    assert set(times(tmp_path / "engines")) == built
    assert nst_build(*build, "--net", "fast") == 0
    assert set(times(tmp_path / "engines")) == {*built, "fast-640x480-fp16-rtx-sm86.engine"}


def test_the_styles_of_a_net_are_those_that_belong_to_it(save_net: SaveNet, home: Path) -> None:
    weights = save_net("fast", folder=home)
    source = BuildSource("fast", weights)
    assert list(styles_of(source)) == ["plain"]
    mine = {"network": "fast", "network_sha256": file_sha256(weights)}
    save_style(home / "fast" / "wave.safetensors", some_style("fast"), mine)
    save_style(home / "fast" / "stale.safetensors", some_style("fast"), {**mine, "network_sha256": "0"})
    styles = styles_of(source)
    assert list(styles) == ["wave"]
    np.testing.assert_array_equal(np.asarray(styles["wave"]), some_style("fast"))
    assert styles_of(BuildSource("b", save_net("fast", baked=True))) == {"b": None}


def build_process(weights: Path, engines: Path, *more: str) -> subprocess.Popen[str]:
    argv = (
        weights,
        "--target",
        "sm86",
        "--engine-dir",
        engines,
        "--json-progress",
        "--no-receipt",
        "--size",
        "1280x720",
        *more,
    )
    return subprocess.Popen(
        [sys.executable, "-m", "build_engines.cli", *map(str, argv)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_build_that_is_stopped_leaves_no_engine_and_the_next_one_builds(
    stop: signal.Signals, code: int, save_net: SaveNet, tmp_path: Path, rtx: Variant
) -> None:
    weights, engines = save_net("full"), tmp_path / "engines"
    with build_process(weights, engines) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "progress"
        process.send_signal(stop)
        error = process.communicate(timeout=60)[1]
    assert process.returncode == code, error
    assert not list(engines.glob("*.engine"))
    if stop == signal.SIGINT:
        assert error.strip() == "nst-build: stopped"
    assert nst_build(weights, "--target", "sm86", "--engine-dir", engines, "--no-receipt", "--size", "1280x720") == 0
    assert sorted(times(engines)) == ["full-1280x720-fp16-rtx-sm86.engine", "stabilizer-1280x720-fp32-rtx-sm86.engine"]


def test_rebuilding_that_is_killed_leaves_the_engine_that_was_there(
    save_net: SaveNet, tmp_path: Path, rtx: Variant
) -> None:
    weights, engines = save_net("full"), tmp_path / "engines"
    assert nst_build(weights, "--target", "sm86", "--engine-dir", engines, "--no-receipt", "--size", "1280x720") == 0
    before = {path.name: path.read_bytes() for path in engines.glob("full-*")}
    with build_process(weights, engines, "--rebuild") as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "progress"
        process.kill()
        process.communicate(timeout=60)
    assert {path.name: path.read_bytes() for path in engines.glob("full-*") if path.suffix != ".partial"} == before
    there = times(engines)
    assert nst_build(weights, "--target", "sm86", "--engine-dir", engines, "--no-receipt", "--size", "1280x720") == 0
    assert times(engines) == there


def test_engines_are_for_their_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NST_LIVE_ENGINES", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_path", lambda _name: tmp_path / "cache")
    (tmp_path / "cache" / "engines").mkdir(mode=0o755, parents=True)
    cache = EngineCache()
    cache.amend(cache.store(SPEC, ENGINE, {}), {"psnr_db": 60})
    assert cache.folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in cache.folder.iterdir()} == {0o600}


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_of_engines_that_the_user_named_keeps_its_mode(there: bool, tmp_path: Path) -> None:
    if there:
        (tmp_path / "mine").mkdir(mode=0o755)
    EngineCache(tmp_path / "mine").store(SPEC, ENGINE, {})
    assert (tmp_path / "mine").stat().st_mode & 0o777 == (0o755 if there else 0o700)


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("suffix", [".engine", ".json"])
def test_an_engine_of_somebody_else_is_not_used(suffix: str, cache: EngineCache) -> None:
    stored = cache.store(SPEC, ENGINE, {})
    os.chown(stored.path.with_suffix(suffix), 12345, -1)
    with pytest.raises(UnusableEngineError, match=r"is not used: it belongs to another user \(number 12345\)"):
        cache.find(SPEC)
    assert [str(found) for found in cache.list() if "belongs to another user" in str(found)]
