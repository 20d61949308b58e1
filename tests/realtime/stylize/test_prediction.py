"""Any picture is a style: what is predicted of it, from which pixels, and what is kept on the disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from realtime.media.photo import PhotoError
from realtime.stylize.prediction import StylePredictor, seen_pixels
from styles.encoder_weights import LONG_SIDE, SHORT_SIDE
from styles.kept_picture import small_copy
from styles.registry import SHIPPED_FOLDER, StyleMismatchError, encoder_path
from styles.weights import WeightsError, load_style
from tests.realtime.encoders import write_encoder
from tests.styles.conftest import textured

K = len(load_style(SHIPPED_FOLDER / "fast" / "wave.safetensors").vector)


@pytest.fixture(autouse=True)
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder of styles, with an encoder, and an empty cache."""
    monkeypatch.setenv("NST_LIVE_STYLES", str(tmp_path / "mine"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_encoder(tmp_path / "mine")
    return tmp_path / "mine"


def kept_files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache" / "nst-live" / "predictions").glob("*"))


def save(path: Path, pixels: np.ndarray, **options: object) -> Path:
    Image.fromarray(pixels).save(path, **options)  # type: ignore[arg-type]
    return path


def test_a_picture_has_a_vector_for_each_net_and_another_picture_another_one(tmp_path: Path) -> None:
    one, other = (save(tmp_path / f"{seed}.png", textured(300, 400, seed)) for seed in (1, 2))
    fast, full = StylePredictor("fast"), StylePredictor("full")
    assert fast.of_file(one).shape == (K,)
    assert full.of_file(one).shape == load_style(SHIPPED_FOLDER / "full" / "wave.safetensors").vector.shape
    assert np.abs(fast.of_file(one) - fast.of_file(other)).max() > 0.01


def test_what_was_predicted_is_read_from_the_disk_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.png", textured(300, 400, 1))
    first = StylePredictor("fast").of_file(path)
    path.rename(tmp_path / "b.png")
    monkeypatch.setattr("realtime.stylize.prediction.open_graph", lambda _onnx: pytest.fail("it is predicted again"))
    monkeypatch.setattr("realtime.stylize.prediction.read_photo", lambda *_: pytest.fail("it is decoded again"))
    np.testing.assert_array_equal(StylePredictor("fast").of_file(tmp_path / "b.png"), first)
    assert len(kept_files(tmp_path)) == 1


def test_another_content_net_zoom_or_encoder_is_predicted_for_itself(tmp_path: Path, mine: Path) -> None:
    path = save(tmp_path / "a.png", textured(300, 400, 1))
    vectors = [StylePredictor("fast").of_file(path), StylePredictor("fast", 2.0).of_file(path)]
    StylePredictor("full").of_file(path)
    save(path, textured(300, 400, 5))
    vectors.append(StylePredictor("fast").of_file(path))
    write_encoder(mine, seed=9)
    vectors.append(StylePredictor("fast").of_file(path))
    assert len(kept_files(tmp_path)) == 5
    assert len({vector.tobytes() for vector in vectors}) == 4


@pytest.mark.parametrize(
    "content", [b"", b"abc", np.full(K, np.nan, np.float32).tobytes()], ids=["empty", "odd", "nan"]
)
def test_a_damaged_cache_is_as_good_as_none(content: bytes, tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", textured(300, 400, 1))
    first = StylePredictor("fast").of_file(path)
    (kept,) = kept_files(tmp_path)
    kept.write_bytes(content)
    np.testing.assert_array_equal(StylePredictor("fast").of_file(path), first)
    assert len(kept.read_bytes()) == 4 * K


def test_without_a_cache_it_is_only_slower(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("no folder can be here")
    assert StylePredictor("fast").of_file(save(tmp_path / "a.png", textured(30, 40, 1))).shape == (K,)


# what is seen ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "zoom", "seen"),
    [
        ((1000, 800), 1.0, (400, 320)),
        ((1000, 800), 0.5, (200, 160)),
        ((1000, 800), 2.0, (LONG_SIDE, LONG_SIDE)),
        ((1, 1), 1.0, (320, 320)),
        ((30_000, 3), 1.0, (LONG_SIDE, SHORT_SIDE)),
        ((3, 30_000), 1.0, (SHORT_SIDE, LONG_SIDE)),
        ((3, 30_000), 0.25, (80, LONG_SIDE)),
    ],
    ids=str,
)
def test_pictures_are_seen_at_the_size_that_the_encoder_knows(
    size: tuple[int, int], zoom: float, seen: tuple[int, int]
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    assert seen_pixels(pixels, zoom).shape == (seen[1], seen[0], 3)


def test_of_a_long_picture_the_middle_is_seen() -> None:
    strip = np.zeros((100, 1000, 3), np.uint8)
    strip[:, 450:550] = 255
    middle = seen_pixels(strip)
    assert middle.shape == (320, 576, 3)
    assert middle[:, 150:426].mean() == pytest.approx(255)
    assert middle[:, :108].mean() == middle[:, 468:].mean() == 0


# pictures of all kinds ------------------------------------------------------------------------------------------------

COLOUR = textured(120, 160, 3)
KINDS = {
    "grey": lambda path: save(path.with_suffix(".png"), COLOUR[..., 0]),
    "16 bits": lambda path: save(path.with_suffix(".png"), COLOUR[..., 0].astype(np.uint16) * 257),
    "palette": lambda path: _palette(path.with_suffix(".gif")),
    "transparent": lambda path: save(path.with_suffix(".png"), np.dstack([COLOUR, COLOUR[..., :1]])),
    "one colour": lambda path: save(path.with_suffix(".png"), np.full((50, 50, 3), 90, np.uint8)),
    "a pixel": lambda path: save(path.with_suffix(".png"), COLOUR[:1, :1]),
    "a line": lambda path: save(path.with_suffix(".png"), COLOUR[:1]),
    "animated": lambda path: _animation(path.with_suffix(".gif")),
    "animated webp": lambda path: _animation(path.with_suffix(".webp")),
    "cmyk": lambda path: _cmyk(path.with_suffix(".jpg")),
    "tiff": lambda path: save(path.with_suffix(".tif"), COLOUR),
    "huge": lambda path: save(path.with_suffix(".jpg"), np.tile(COLOUR, (75, 70, 1))),
}


def _palette(path: Path) -> Path:
    Image.fromarray(COLOUR).quantize(64).save(path)
    return path


def _animation(path: Path) -> Path:
    frames = [Image.fromarray(textured(120, 160, seed)) for seed in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    return path


def _cmyk(path: Path) -> Path:
    Image.fromarray(COLOUR).convert("CMYK").save(path)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_of_all_kinds_are_styles(kind: str, tmp_path: Path) -> None:
    vector = StylePredictor("fast").of_file(KINDS[kind](tmp_path / "picture"))
    assert vector.shape == (K,)
    assert np.isfinite(vector).all()


def test_of_an_animation_the_first_frame_is_the_style(tmp_path: Path) -> None:
    still = save(tmp_path / "still.png", textured(120, 160, 0))
    moving = tmp_path / "moving.webp"
    frames = [Image.fromarray(textured(120, 160, seed)) for seed in range(3)]
    frames[0].save(moving, save_all=True, append_images=frames[1:], lossless=True)
    predictor = StylePredictor("fast")
    np.testing.assert_allclose(predictor.of_file(moving), predictor.of_file(still), atol=1e-3)


def test_a_picture_lies_on_white_and_stands_upright(tmp_path: Path) -> None:
    predictor = StylePredictor("fast")
    alpha = np.where(np.arange(160) < 80, 255, 0).astype(np.uint8) * np.ones((120, 1), np.uint8)
    transparent = save(tmp_path / "a.png", np.dstack([COLOUR, alpha]))
    white = np.where(alpha[..., None] > 0, COLOUR, 255).astype(np.uint8)
    expected = predictor.of_file(save(tmp_path / "b.png", white))
    np.testing.assert_allclose(predictor.of_file(transparent), expected, atol=1e-5)
    exif = Image.Exif()
    exif[274] = 6  # turned by a quarter
    turned = save(tmp_path / "c.png", np.ascontiguousarray(np.rot90(white)), exif=exif)
    np.testing.assert_allclose(predictor.of_file(turned), expected, atol=1e-5)


def test_heic_is_read(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(Image.fromarray(COLOUR)).save(tmp_path / "a.heic", quality=-1)
    assert StylePredictor("fast").of_file(tmp_path / "a.heic").shape == (K,)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "it is empty"), (b"not a picture", "its format is unknown"), (None, "no file")],
    ids=["empty", "text", "missing"],
)
def test_what_is_no_picture_is_refused(content: bytes | None, words: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PhotoError, match=words):
        StylePredictor("fast").of_file(path)


def test_a_picture_of_floating_point_numbers_is_refused_by_name(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", np.ones((20, 20), np.float32))
    with pytest.raises(PhotoError, match=r"a\.tif cannot be a style: its samples are floating-point numbers"):
        StylePredictor("fast").of_file(path)


def test_half_a_picture_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", COLOUR)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(PhotoError, match="cannot be read as a picture"):
        StylePredictor("fast").of_file(path)
    assert kept_files(tmp_path) == []


# the encoder and the net ----------------------------------------------------------------------------------------------


def test_a_kept_copy_gives_nearly_what_the_picture_gives(tmp_path: Path) -> None:
    predictor, picture = StylePredictor("fast"), textured(900, 1200, 4, grain=12)
    whole = predictor.of_file(save(tmp_path / "a.png", picture))
    other = predictor.of_file(save(tmp_path / "b.png", 255 - textured(900, 1200, 5, grain=2) // 2))
    copy = predictor.of_kept(small_copy(picture))
    assert np.abs(copy - whole).mean() < 0.3 * np.abs(other - whole).mean()


@pytest.mark.parametrize("data", [b"", b"no picture", small_copy(COLOUR)[:-300]], ids=["empty", "text", "half"])
def test_a_damaged_copy_is_refused(data: bytes) -> None:
    with pytest.raises(WeightsError, match="a picture that cannot be read"):
        StylePredictor("fast").of_kept(data)


def test_an_encoder_of_another_training_is_refused_with_what_to_type(mine: Path) -> None:
    write_encoder(mine, sha256="0" * 64)
    with pytest.raises(StyleMismatchError, match=r"belongs to another version of the net 'fast' .*: nst-train PICTURE"):
        StylePredictor("fast")


def test_a_net_that_the_encoder_does_not_know_is_refused_with_what_to_type(mine: Path) -> None:
    (mine / "own.safetensors").write_bytes((SHIPPED_FOLDER / "fast.safetensors").read_bytes())
    with pytest.raises(StyleMismatchError, match=r"of the nets fast, full, not of 'own'; train .* --net own"):
        StylePredictor("own")


def test_without_an_encoder_a_picture_is_refused_with_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.stylize.prediction.encoder_path", lambda: None)
    with pytest.raises(StyleMismatchError, match=r"there is no style encoder, .*: nst-train PICTURE"):
        StylePredictor("fast")


def test_a_damaged_encoder_is_named(mine: Path) -> None:
    (mine / "encoder.safetensors").write_bytes(b"damaged")
    with pytest.raises(WeightsError, match=r"encoder\.safetensors cannot be read"):
        StylePredictor("fast")


def test_the_users_own_encoder_comes_before_the_shipped_one(mine: Path) -> None:
    assert encoder_path() == mine / "encoder.safetensors"
