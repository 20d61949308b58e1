"""Pictures and styles in one file, opened again, also by another version of the nets; and the user's own styles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from realtime.stylize.styles import load_named_styles
from styles.kept_picture import small_copy
from styles.pack import PackedStyle, StylePack, write_pack
from styles.registry import SHIPPED_FOLDER, network_sha256
from styles.weights import load_style, read_metadata, save_style
from tests.realtime.clips import read_clip
from tests.realtime.conftest import NstLive
from tests.realtime.encoders import write_encoder
from tests.styles.conftest import textured

SHIPPED = ["la_muse", "rain_princess", "scream", "udnie", "wave", "wreck"]
WAVE = load_style(SHIPPED_FOLDER / "fast" / "wave.safetensors")
FAST_SHA256 = network_sha256(SHIPPED_FOLDER / "fast.safetensors")


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder of styles, with an encoder in it; a pack takes its place, and then this is still the folder."""
    folder = tmp_path / "data" / "nst-live" / "styles"
    monkeypatch.setenv("NST_LIVE_STYLES", "")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_encoder(folder)
    return folder


def save(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(textured(120, 160, seed)).save(path)
    return path


def use(pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NST_LIVE_STYLES", str(pack))


# packs ----------------------------------------------------------------------------------------------------------------


def test_pictures_files_and_names_are_packed_and_painted_with(mine: Path, tmp_path: Path, nst_live: NstLive) -> None:
    picture = save(tmp_path / "a.jpg", 1)
    for seed in (2, 3):
        save(tmp_path / "more" / f"b{seed}.png", seed)
    save_style(
        tmp_path / "own.safetensors", WAVE.vector, {**WAVE.metadata, "title": "Own"}, small_copy(textured(9, 9, 1))
    )
    told = nst_live("pack", picture, "more", "own.safetensors", "wave", "-o", "my.nstyle")
    assert told.code == 0, told.err
    assert "packed 5 styles into my.nstyle" in told.err
    pack = StylePack(tmp_path / "my.nstyle")
    assert [entry.name for entry in pack.entries] == ["a", "b2", "b3", "own", "wave"]
    assert [sorted(entry.vectors) for entry in pack.entries] == [["fast", "full"]] * 3 + [["fast"], ["fast", "full"]]
    assert [bool(entry.picture) for entry in pack.entries] == [True, True, True, True, False]
    assert pack.entries[4].facts["artist"] == "Katsushika Hokusai"
    frames = ("-i", "test", "--size", "64x48", "--frames", "2", "--no-window", "--net", "fast", "-o", "painted.mp4")
    told = nst_live(*frames, "--styles", "my.nstyle", "--style", "b3")
    assert told.code == 0, told.err
    assert ", b3, backend:" in told.err
    assert len(read_clip(tmp_path / "painted.mp4").pictures) == 2


def test_what_fits_the_net_is_used_and_the_rest_is_predicted_again(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = small_copy(textured(60, 80, 1))
    styles = [
        PackedStyle("fits", {}, copy, {"fast": (FAST_SHA256, WAVE.vector)}),
        PackedStyle("old", {"title": "Old"}, copy, {"fast": ("0" * 64, WAVE.vector)}),
        PackedStyle("lost", {}, None, {"fast": ("0" * 64, WAVE.vector)}),
        PackedStyle("damaged", {}, None, {"fast": (FAST_SHA256, WAVE.vector[:-1])}),
        PackedStyle("wave", {}, copy, {"full": ("0" * 64, WAVE.vector)}),
    ]
    write_pack(tmp_path / "p.nstyle", styles)
    use(tmp_path / "p.nstyle", monkeypatch)
    reported: list[str] = []
    loaded, (fits, old, wave) = load_named_styles(["fits", "old", "wave"], "fast", reported.append)
    assert [style.name for style in loaded] == sorted([*SHIPPED, "fits", "old"])
    assert fits.vector is not None
    assert (fits.vector == WAVE.vector).all()
    assert [style.is_ready for style in (fits, old, wave)] == [True, False, False]
    assert old.caption == "Old"
    assert old.vector is not None
    assert old.vector.shape == WAVE.vector.shape
    assert len(reported) == 3, reported
    assert "'lost' in" in reported[0]
    assert f"holds a style vector of {len(WAVE.vector) - 1} values" in reported[1]
    assert reported[2].startswith("2 styles were made for another version of the net 'fast'")


def test_a_pack_is_opened_without_an_encoder_for_what_fits(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_encoder(mine, sha256="0" * 64)
    write_pack(tmp_path / "p.nstyle", [
        PackedStyle("fits", {}, None, {"fast": (FAST_SHA256, WAVE.vector)}),
        PackedStyle("picture", {}, small_copy(textured(60, 80, 1))),
    ])  # fmt: skip
    use(tmp_path / "p.nstyle", monkeypatch)
    reported: list[str] = []
    loaded, _ = load_named_styles(["fits"], "fast", reported.append)
    assert [style.name for style in loaded] == sorted([*SHIPPED, "fits"])
    assert len(reported) == 1
    assert "belongs to another version of the net 'fast'" in reported[0]


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("a.jpg", "-o", "my.zip"), 2, "cannot write my.zip: expected a name ending in .nstyle"),
        (("a.jpg", "-o", "none/my.nstyle"), 2, "there is no folder none; type: mkdir -p none"),
        (("a.jpg", "-o", "there.nstyle"), 2, "there.nstyle exists; to overwrite it, add -y"),
        (("b.jpg", "-o", "my.nstyle"), 3, "no file b.jpg"),
        (("text.jpg", "-o", "my.nstyle"), 3, "text.jpg cannot be read as a picture: its format is unknown"),
        (("empty", "-o", "my.nstyle"), 3, "no pictures in empty"),
        (("wav", "-o", "my.nstyle"), 2, "no style called 'wav'; did you mean 'wave'?"),
        (("a.jpg", "other/a.jpg", "-o", "my.nstyle"), 2, "two styles are called 'a'; rename one of the files"),
        (("own.safetensors", "-o", "my.nstyle"), 2, "has a net of its own and cannot be packed"),
    ],
)
def test_what_cannot_be_packed_is_refused_in_one_line(
    words: tuple[str, ...], code: int, text: str, tmp_path: Path, nst_live: NstLive
) -> None:
    save(tmp_path / "a.jpg", 1)
    save(tmp_path / "other" / "a.jpg", 2)
    (tmp_path / "text.jpg").write_text("text")
    (tmp_path / "empty").mkdir()
    (tmp_path / "there.nstyle").touch()
    config = read_metadata(SHIPPED_FOLDER / "fast.safetensors")["network_config"]
    save_style(tmp_path / "own.safetensors", WAVE.vector, {"network_config": config, "style_inside": "yes"})
    told = nst_live("pack", *words)
    assert told.code == code
    assert text in told.complaint
    assert not (tmp_path / "my.nstyle").exists()
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize("content", [None, b"", b"text"])
def test_a_pack_that_is_none_ends_the_command_in_one_line(
    content: bytes | None, tmp_path: Path, nst_live: NstLive
) -> None:
    if content is not None:
        (tmp_path / "p.nstyle").write_bytes(content)
    for command in (("-i", "test", "--frames", "1", "--no-window", "-o", "p.mp4"), ("--list-styles",)):
        told = nst_live(*command, "--styles", "p.nstyle")
        assert told.code == 3
        assert "style pack" in told.complaint


def test_a_gallery_of_a_pack(mine: Path, tmp_path: Path, nst_live: NstLive) -> None:
    write_pack(tmp_path / "p.nstyle", [PackedStyle("one", {}, small_copy(textured(60, 80, 1)))])
    photo = save(tmp_path / "photo.png", 2)
    told = nst_live("gallery", photo, "-o", "s.png", "--width", "64", "--net", "fast", "--styles", "p.nstyle")
    assert told.code == 0, told.err
    assert "in 7 styles on s.png" in told.err


# the user's own styles ------------------------------------------------------------------------------------------------


def test_own_styles_are_listed_renamed_and_removed(mine: Path, nst_live: NstLive) -> None:
    assert nst_live("styles").out == f"no styles of your own in {mine}; a picture there is one\n"
    picture = save(mine / "a.jpg", 1)
    for net in ("fast", "full"):
        save_style(mine / net / "trained.safetensors", WAVE.vector, {**WAVE.metadata, "network": net})
    listed = nst_live("styles", "list").out.splitlines()
    assert [line.split(maxsplit=1) for line in listed] == [
        ["a", "a.jpg"],
        ["trained", "fast/trained.safetensors, full/trained.safetensors"],
    ]
    assert nst_live("styles", "rename", "trained", "better one").code == 0
    assert sorted(path.name for path in mine.glob("*/*")) == ["better one.safetensors"] * 2
    assert nst_live("styles", "remove", "a", "better one").code == 0
    assert not picture.exists()
    assert list(mine.glob("*/*")) == []


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("rename", "a"), "expected the old and the new name"),
        (("rename", "a", "../b"), "expected no slashes"),
        (("rename", "a", ""), "expected 1 to 100 printable characters"),
        (("rename", "a", "b"), "there is a style called 'b' already; remove it first: nst-live styles remove b"),
        (("rename", "c", "d"), "no style of your own called 'c'"),
        (("remove",), "expected a name: nst-live styles remove NAME"),
        (("remove", "wave"), "'wave' comes with nst-live and stays; your own are: a, b"),
        (("forget", "a"), "'forget' is not what can be done; expected list, rename OLD NEW or remove NAME"),
        (("list", "a"), "list takes no names"),
        (("list", "--styles", "p.nstyle"), "p.nstyle is a pack, which stays as it is"),
    ],
)
def test_what_cannot_be_done_to_styles_is_refused(
    words: tuple[str, ...], text: str, mine: Path, nst_live: NstLive
) -> None:
    files = [save(mine / "a.jpg", 1), save(mine / "b.png", 2)]
    told = nst_live("styles", *words)
    assert told.code == 2
    assert text in told.complaint
    assert all(file.exists() for file in files)


def test_nothing_is_removed_if_one_name_is_wrong(mine: Path, nst_live: NstLive) -> None:
    picture = save(mine / "a.jpg", 1)
    assert nst_live("styles", "remove", "a", "aa").code == 2
    assert picture.exists()
    assert np.asarray(Image.open(picture)).shape == (120, 160, 3)
