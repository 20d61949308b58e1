"""Style files that are good are painted; each that is not is left out with one line, and ends nothing else."""

from __future__ import annotations

import json
import os
import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from realtime.stylize.styles import load_all_styles, load_named_styles, load_styles
from styles.registry import SHIPPED_FOLDER, find_style, list_networks, list_styles
from styles.weights import WeightsError, load_style, read_metadata, save_style

WAVE = SHIPPED_FOLDER / "fast" / "wave.safetensors"
SHIPPED = ["la_muse", "rain_princess", "scream", "udnie", "wave", "wreck"]


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own styles of the net `fast`."""
    monkeypatch.setenv("NST_LIVE_STYLES", str(tmp_path / "mine"))
    (tmp_path / "mine" / "fast").mkdir(parents=True)
    return tmp_path / "mine" / "fast"


def write(path: Path, vector: np.ndarray | None = None, **facts: str) -> None:
    """Writes a style of the net `fast`; by default a good one."""
    style = load_style(WAVE)
    save_style(path, style.vector if vector is None else vector, {**style.metadata, **facts})


def bfloat16(path: Path) -> None:
    data = WAVE.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header["vector"]["dtype"] = "BF16"
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


def wrong_graph(path: Path) -> None:
    write(path, network_config=read_metadata(SHIPPED_FOLDER / "fast.safetensors")["network_config"], style_inside="yes")


def endless_graph(path: Path) -> None:
    config = read_metadata(SHIPPED_FOLDER / "fast.safetensors")["network_config"]
    write(path, network_config=config.replace('"blocks":1', '"blocks":1000000000'), style_inside="yes")


BAD: dict[str, Callable[[Path], object]] = {
    "fifo": os.mkfifo,
    "folder": Path.mkdir,
    "nowhere": lambda path: path.symlink_to("nowhere"),
    "empty": Path.touch,
    "bfloat16": bfloat16,
    "short": lambda path: write(path, np.ones(7)),
    "long": lambda path: write(path, np.ones(100_000)),
    "of no values": lambda path: write(path, np.ones(0)),
    "square": lambda path: write(path, np.ones((2, 2))),
    "nan": lambda path: write(path, np.full(len(load_style(WAVE).vector), np.nan)),
    "infinite": lambda path: write(path, np.full(len(load_style(WAVE).vector), np.inf)),
    "title": lambda path: write(path, title="x" * 2**20),
    "other training": lambda path: write(path, network_sha256="0" * 64),
    "wrong graph": wrong_graph,
    "endless graph": endless_graph,
    "nested": lambda path: write(path, network_config="[" * 100_000, style_inside="yes"),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", BAD)
def test_a_bad_style_file_is_left_out_with_one_line(kind: str, user: Path) -> None:
    name = "bad" if kind not in {"wrong graph", "endless graph", "nested"} else "../bad"
    BAD[kind](user / f"{name}.safetensors")
    write(user / "good.safetensors")
    reported: list[str] = []
    loaded, chosen = load_styles("wreck", "fast", reported.append)
    assert [style.name for style in loaded] == sorted([*SHIPPED, "good"])
    assert loaded[chosen].name == "wreck"
    lines = [line for line in reported if "bad" in line]
    # a net of its own is no style of the net that is painted with
    assert len(lines) <= 1
    assert lines or name != "bad"
    assert len(reported) == len(lines)
    assert all(len(line) < 2000 and "\n" not in line for line in reported)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", BAD)
def test_a_bad_style_file_that_is_chosen_is_refused(kind: str, user: Path) -> None:
    path = user.parent / "bad.safetensors"
    BAD[kind](path)
    with pytest.raises((ValueError, LookupError, FileNotFoundError), match="bad"):
        load_styles(str(path), "fast")


def test_titles_have_no_control_characters(user: Path) -> None:
    write(user / "odd.safetensors", title="\x1b]0;owned\x07\x1b[31mred\r\n [b]", artist="a\x9bb\u202ec")
    style = find_style("odd", "fast")
    assert (style.title, style.artist) == ("]0;owned[31mred [b]", "abc")


def test_a_file_that_changes_is_read_again(user: Path) -> None:
    write(user / "mine.safetensors", title="one")
    assert find_style("mine", "fast").title == "one"
    write(user / "mine.safetensors", title="another")
    assert find_style("mine", "fast").title == "another"
    (user / "mine.safetensors").write_bytes(b"")
    with pytest.raises(WeightsError):
        find_style("mine", "fast")


@pytest.mark.parametrize("folder", ["fast", "."])
def test_each_style_file_is_read_once_at_the_start(folder: str, user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = WAVE.read_bytes()
    files = [str(user.parent / folder / f"style{number:05}.safetensors") for number in range(200)]
    for file in files:
        Path(file).write_bytes(data)
    read: Counter[str] = Counter()

    def counting(opens: Callable[..., object]) -> Callable[..., object]:
        def opened(path: str, *how: object, **more: object) -> object:
            read[str(path)] += 1
            return opens(path, *how, **more)

        return opened

    monkeypatch.setattr("styles.weights.safe_open", counting(safe_open))
    monkeypatch.setattr("styles.weights.open", counting(open), raising=False)
    loaded, named = load_named_styles(["style00007", files[8], "wave"], "fast")
    assert len(loaded) == 200 + len(SHIPPED)
    assert [style.name for style in named] == ["style00007", "style00008", "wave"]
    assert named[0].vector is not None
    assert np.array_equal(named[0].vector, load_style(WAVE).vector)
    assert len(list_styles("fast")) == len(loaded)
    assert len(list_networks()) == 2, "style files are no nets"
    assert load_all_styles("fast")
    assert {read[file] for file in files} == {1}


def test_a_vector_that_somebody_changes_is_nobody_elses(user: Path) -> None:
    load_style(WAVE).vector[:] = 0
    assert np.any(load_style(WAVE).vector)
