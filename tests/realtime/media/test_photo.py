"""Pictures are read upright and in sRGB, and written with all their metadata."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

import realtime.media.photo as photo_module
from realtime.frames import Pixels
from realtime.media.encoders import OutputError
from realtime.media.free_memory import free_memory
from realtime.media.photo import PHOTO_FORMATS, Photo, PhotoError, photo_size, read_photo, resized, write_photo
from tests.fuzz.command import environment_in
from tests.fuzz.worker import MIB, Limits, Task, Worker
from tests.realtime.clips import colourful

SIZE = (48, 32)
# EXIF's eight orientations, and how NumPy turns a stored picture upright.
ORIENTATIONS: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored.transpose(1, 0, 2)[::-1, ::-1],
    8: np.rot90,
}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_picture_is_read_upright(orientation: int, tmp_path: Path) -> None:
    stored = colourful(0, SIZE)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Artist] = "somebody"
    Image.fromarray(stored).save(tmp_path / "a.png", exif=exif)
    photo = read_photo(tmp_path / "a.png")
    np.testing.assert_array_equal(photo.pixels, ORIENTATIONS[orientation](stored))
    write_photo(tmp_path / "b.jpg", photo)
    with Image.open(tmp_path / "b.jpg") as written:
        assert written.getexif().get(ExifTags.Base.Orientation, 1) == 1, "it must not be turned twice"
        assert written.getexif()[ExifTags.Base.Artist] == "somebody"
        assert written.size == photo.pixels.shape[1::-1]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_when_and_where_a_picture_was_taken_is_kept(suffix: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.DateTime] = "2024:01:02 03:04:05"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[1] = "N"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExposureTime] = 0.01
    Image.fromarray(colourful(0, SIZE)).save(tmp_path / "a.jpg", exif=exif)
    write_photo(tmp_path / f"b{suffix}", read_photo(tmp_path / "a.jpg"))
    with Image.open(tmp_path / f"b{suffix}") as written:
        kept = written.getexif()
        assert kept[ExifTags.Base.DateTime] == "2024:01:02 03:04:05"
        assert kept.get_ifd(ExifTags.IFD.GPSInfo)[1] == "N"
        assert float(kept.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExposureTime]) == pytest.approx(0.01)


def test_a_tiff_of_another_size_gets_a_new_layout(tmp_path: Path) -> None:
    Image.fromarray(colourful(0, SIZE)).save(tmp_path / "a.tif", compression="tiff_lzw", software="a camera")
    write_photo(tmp_path / "b.tif", resized(read_photo(tmp_path / "a.tif"), (20, 10)))
    assert read_photo(tmp_path / "b.tif").pixels.shape == (10, 20, 3)
    with Image.open(tmp_path / "b.tif") as written:
        assert written.getexif()[ExifTags.Base.Software] == "a camera"


def swapped_profile() -> bytes:
    """Returns a profile in which red and blue are swapped."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = (data.index(name, 128) for name in (b"rXYZ", b"bXYZ"))
    data[red : red + 4], data[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(data).replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_color_profile_is_applied_and_the_result_says_srgb(mode: str, tmp_path: Path) -> None:
    picture = Image.new(mode, (8, 8), (250, 10, 10))
    picture.save(tmp_path / "a.png", icc_profile=swapped_profile())
    photo = read_photo(tmp_path / "a.png")
    assert np.abs(photo.pixels[0, 0].astype(int) - (10, 10, 250)).max() < 4
    assert photo.note == ""
    write_photo(tmp_path / "b.png", photo)
    with Image.open(tmp_path / "b.png") as written:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(written.info["icc_profile"]))
        assert "sRGB" in ImageCms.getProfileDescription(profile)


def test_srgb_itself_is_not_converted(tmp_path: Path) -> None:
    picture = colourful(1, SIZE)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(picture).save(tmp_path / "a.png", icc_profile=srgb)
    np.testing.assert_array_equal(read_photo(tmp_path / "a.png").pixels, picture)


def test_a_profile_that_cannot_be_read_is_ignored_with_a_note(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), (250, 10, 10)).save(tmp_path / "a.jpg", quality=100, icc_profile=b"no profile" * 20)
    photo = read_photo(tmp_path / "a.jpg")
    assert "color profile cannot be read" in photo.note
    assert np.abs(photo.pixels[0, 0].astype(int) - (250, 10, 10)).max() < 4


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=100)
    red, green, blue = read_photo(tmp_path / "a.jpg").pixels[4, 4]
    assert red > 200
    assert max(green, blue) < 60


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_kept(mode: str, suffix: str, tmp_path: Path) -> None:
    alpha = np.linspace(0, 255, 48 * 32).astype(np.uint8).reshape(32, 48)
    picture = Image.fromarray(colourful(0, SIZE)).convert(mode[:-1])
    picture.putalpha(Image.fromarray(alpha))
    picture.save(tmp_path / "a.png")
    photo = read_photo(tmp_path / "a.png")
    assert photo.alpha is not None
    np.testing.assert_array_equal(photo.alpha, alpha)
    write_photo(tmp_path / f"b{suffix}", photo)
    again = read_photo(tmp_path / f"b{suffix}")
    assert again.alpha is not None
    np.testing.assert_array_equal(again.alpha, alpha)


def test_a_palette_with_a_transparent_color_has_alpha(tmp_path: Path) -> None:
    picture = Image.new("P", (4, 4), 1)
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.putpixel((0, 0), 0)
    picture.save(tmp_path / "a.png", transparency=0)
    photo = read_photo(tmp_path / "a.png")
    assert photo.alpha is not None
    assert photo.alpha[0, 0] == 0
    assert photo.alpha[3, 3] == 255
    assert tuple(photo.pixels[3, 3]) == (0, 0, 255)


def test_a_format_without_alpha_gets_white_behind_it(tmp_path: Path) -> None:
    alpha = np.zeros((32, 48), np.uint8)
    write_photo(tmp_path / "a.jpg", Photo(colourful(0, SIZE), alpha))
    assert read_photo(tmp_path / "a.jpg").pixels.min() > 250


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("colours", [1, 3])
def test_sixteen_bits_are_read(colours: int, suffix: str, tmp_path: Path) -> None:
    deep = np.linspace(0, 65535, 48 * 32 * colours).astype(np.uint16).reshape(32, 48, colours)
    cv2.imwrite(str(tmp_path / f"a{suffix}"), deep[:, :, ::-1])
    pixels = read_photo(tmp_path / f"a{suffix}").pixels
    assert np.abs(pixels.astype(float) - deep / 257).max() <= 1


def test_sixteen_bits_of_either_byte_order_are_read(tmp_path: Path) -> None:
    deep = np.linspace(0, 65535, 48 * 32).astype(">u2").reshape(32, 48)
    Image.frombytes("I;16B", (48, 32), deep.tobytes()).save(tmp_path / "a.tif")
    pixels = read_photo(tmp_path / "a.tif").pixels
    assert np.abs(pixels[:, :, 0].astype(float) - deep.astype(float) / 257).max() <= 1


def test_heic_pictures_are_read(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.from_bytes("RGB", SIZE, colourful(0, SIZE).tobytes()).save(tmp_path / "a.heic", quality=95)
    assert np.abs(read_photo(tmp_path / "a.heic").pixels.astype(int) - colourful(0, SIZE)).mean() < 6


def test_without_pillow_heif_the_error_says_what_to_type(tmp_path: Path, missing: Callable[[str], None]) -> None:
    missing("pillow_heif")
    (tmp_path / "a.heic").write_bytes(b"anything")
    with pytest.raises(PhotoError, match=r"a\.heic cannot be read without pillow-heif; type: pip install pillow-heif"):
        read_photo(tmp_path / "a.heic")


@pytest.mark.parametrize("suffix", PHOTO_FORMATS)
def test_every_format_that_is_written_is_read_again(suffix: str, tmp_path: Path) -> None:
    picture = colourful(0, SIZE)
    write_photo(tmp_path / f"a{suffix}", Photo(picture, dpi=(300, 300)))
    again = read_photo(tmp_path / f"a{suffix}")
    assert np.abs(again.pixels.astype(int) - picture).mean() < 3
    if suffix != ".webp":
        assert again.dpi == pytest.approx((300, 300), abs=0.1)
    assert photo_size(tmp_path / f"a{suffix}") == SIZE


def test_resizing_resizes_alpha_too() -> None:
    photo = resized(Photo(colourful(0, SIZE), np.full((32, 48), 7, np.uint8)), (24, 16))
    assert photo.pixels.shape == (16, 24, 3)
    assert photo.alpha is not None
    assert photo.alpha.shape == (16, 24)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "it is empty"), (b"just text", "its format is unknown")],
)
def test_a_file_that_is_not_a_picture_is_an_error(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(PhotoError, match=f"a.jpg cannot be read as a picture: {words}"):
        read_photo(path)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_a_picture_that_is_cut_off_is_not_painted_in_part(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    write_photo(path, Photo(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(PhotoError, match="cannot be read as a picture"):
        read_photo(path)


def test_a_picture_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "wide.webp"
    path.write_bytes(b"before")
    with pytest.raises(OutputError, match=r"cannot write .*wide\.webp"):
        write_photo(path, Photo(np.zeros((2, 20000, 3), np.uint8)))
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def exif_with(entries: dict[int, object]) -> Image.Exif:
    exif = Image.Exif()
    for tag, value in entries.items():
        exif[tag] = value
    return exif


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_exif_that_is_too_long_is_shortened_and_named(suffix: str, tmp_path: Path) -> None:
    exif = exif_with({ExifTags.Base.Make: "Maker"})
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.MakerNote] = bytes(70_000)
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExposureTime] = 0.01
    Image.fromarray(colourful(0, SIZE)).save(tmp_path / "a.png", exif=exif)
    note = write_photo(tmp_path / f"b{suffix}", read_photo(tmp_path / "a.png"))
    with Image.open(tmp_path / f"b{suffix}") as written:
        assert written.getexif()[ExifTags.Base.Make] == "Maker"
        inside = written.getexif().get_ifd(ExifTags.IFD.Exif)
    assert float(inside[ExifTags.Base.ExposureTime]) == pytest.approx(0.01)
    assert (ExifTags.Base.MakerNote in inside) == (note == "")
    assert note == "" or "left out: MakerNote" in note
    assert suffix != ".jpg" or note


def test_exif_of_nonsense_is_no_error(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    Image.fromarray(colourful(0, SIZE)).save(tmp_path / "a.jpg", exif=exif_with({ExifTags.Base.Make: "M" * 300}))
    whole = (tmp_path / "a.jpg").read_bytes()
    begin, end = whole.index(b"Exif"), whole.index(b"MMMM")
    for _ in range(100):
        damaged = bytearray(whole)
        for place in random.integers(begin + 6, end + 40, 6):
            damaged[place] = random.integers(256)
        (tmp_path / "b.jpg").write_bytes(damaged)
        photo = read_photo(tmp_path / "b.jpg")
        for suffix in (".jpg", ".tif"):
            write_photo(tmp_path / f"c{suffix}", photo)


@pytest.mark.parametrize("dpi", [(0, 0), (float("nan"), 72), (1e9, 1e9)])
def test_a_resolution_of_nonsense_is_ignored(dpi: tuple[float, float], tmp_path: Path) -> None:
    Image.fromarray(colourful(0, SIZE)).save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        image.info["dpi"] = dpi
        assert photo_module._dpi(image) is None


def png_claiming(size: tuple[int, int], path: Path) -> None:
    """Writes a PNG whose header claims another size than its pixels have."""
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "PNG")
    data = bytearray(stream.getvalue())
    data[16:24] = struct.pack(">II", *size)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    path.write_bytes(data)


def test_a_tiny_png_that_claims_to_be_huge_is_refused_by_its_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    png_claiming((40_000, 30_000), tmp_path / "a.png")
    monkeypatch.setattr(Image.Image, "load", lambda _image: pytest.fail("it is decoded"))
    with pytest.raises(PhotoError, match=r"a\.png claims to be 40000x30000, so it must be damaged"):
        read_photo(tmp_path / "a.png")


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_whose_size_is_a_lie_is_refused_before_it_is_decoded(
    progressive: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jpg"
    # as small as a JPEG can be for its size
    Image.new("L", (8000, 8000), 128).save(path, progressive=progressive, optimize=True, quality=1)
    assert read_photo(path).pixels.shape == (8000, 8000, 3)
    data = bytearray(path.read_bytes())
    at = data.index(b"\xff\xc2" if progressive else b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", 60_000, 60_000)
    path.write_bytes(data[: len(data) // 2])
    monkeypatch.setattr(Image.Image, "load", lambda _image: pytest.fail("it is decoded"))
    with pytest.raises(PhotoError, match=r"a\.jpg claims to be 60000x60000, so it must be damaged"):
        read_photo(path)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_what_does_not_fit_into_memory_is_refused_before_it_is_decoded(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (1000, 1000)).save(tmp_path / f"a{suffix}")
    monkeypatch.setattr("realtime.media.free_memory.free_memory", lambda: 13_000_000)
    read_photo(tmp_path / f"a{suffix}", longest=900)
    with pytest.raises(
        PhotoError, match=r"does not fit into memory: for 1000x1000 pixels .* GiB are needed, and .* GiB are free"
    ):
        read_photo(tmp_path / f"a{suffix}")
    monkeypatch.setattr("realtime.media.free_memory.free_memory", lambda: None)
    read_photo(tmp_path / f"a{suffix}")


def test_a_huge_jpeg_that_is_made_smaller_is_decoded_smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photo_module, "_MOST_PIXELS_WHOLE", 500_000)
    picture = Image.fromarray(cv2.GaussianBlur(colourful(0, (1000, 704)), (0, 0), 8))
    picture.save(tmp_path / "a.jpg", quality=95, exif=exif_with({ExifTags.Base.Orientation: 6}))
    whole, reduced = read_photo(tmp_path / "a.jpg"), read_photo(tmp_path / "a.jpg", longest=120)
    assert whole.full_size is None
    assert whole.pixels.shape[1::-1] == reduced.full_size == (704, 1000)
    assert reduced.pixels.shape[1::-1] == (176, 250)
    difference = resized(whole, (84, 120)).pixels.astype(int) - resized(reduced, (84, 120)).pixels
    assert np.abs(difference).mean() < 2
    assert read_photo(tmp_path / "a.jpg", longest=900).full_size is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is watched as on Linux")
@pytest.mark.parametrize(
    ("size", "code"), [((3_900_000, 1), 2), pytest.param((1, 1_100_000), 0, marks=pytest.mark.long)]
)
def test_a_line_of_pixels_is_painted_or_refused_but_takes_no_gigabytes(
    size: tuple[int, int], code: int, tmp_path: Path
) -> None:
    """A net extends it to a stripe, 16 times as large."""
    Image.new("RGB", size, (20, 120, 220)).save(tmp_path / "line.png")
    (tmp_path / "warm").mkdir()
    argv = ("-i", "line.png", "-o", "painted.png")
    task = Task(argv, str(tmp_path), environment_in(tmp_path / "home"), str(tmp_path / "log"))
    with Worker(tmp_path / "warm") as worker:
        outcome = worker.run(task, Limits(seconds=300, memory=1200 * MIB))
    assert (outcome.ended, outcome.code) == ("", code), outcome.err
    if code:
        assert "line.png cannot be painted" in outcome.err
        assert "--max-size 200000" in outcome.err
    else:
        assert photo_size(tmp_path / "painted.png") == size


def test_free_memory_is_known_here() -> None:
    free = free_memory()
    assert free is not None
    assert 2**20 < free < 2**50
