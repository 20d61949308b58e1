"""Inputs that real people have: each row of the shared collection of awkward files gives the right outcome.

Everything is seen from outside: the command runs as a program, and ffprobe and PyAV look at what it painted.
"""

from __future__ import annotations

import functools
import http.server
import json
import os
import pty
import shlex
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.fuzz.command import Answer, command, environment_in, run

# Rows that do not give the right outcome yet, by the test's name and parameter. Whoever mends a kind deletes its lines.
NOT_YET: frozenset[str] = frozenset()

pytestmark = [
    pytest.mark.needs_shared,
    pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg, which makes files, is missing"),
]

_FPS = 25
_CLIP_FRAMES = 10
_X264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p"


@pytest.fixture(autouse=True)
def _not_yet(request: pytest.FixtureRequest) -> None:
    """Expects to fail what is known to."""
    name = request.node.name
    if name in NOT_YET:
        request.applymarker(pytest.mark.xfail(strict=True, reason="not mended yet"))


def test_what_is_not_mended_yet_is_there(request: pytest.FixtureRequest) -> None:
    names = {item.name for item in request.session.items if Path(str(item.path)) == Path(__file__)}
    # when single tests are chosen, the others are not there to be compared
    assert names >= NOT_YET or len(names) < 30


@dataclass(frozen=True)
class Painting:
    """A file that was painted, and what the command printed meanwhile."""

    path: Path
    printed: str

    @functools.cached_property
    def probe(self) -> Any:
        """What ffprobe finds in it."""
        return probe(self.path)

    def streams(self, kind: str) -> list[Any]:
        """Its streams of a kind, covers left out."""
        return [
            stream
            for stream in self.probe["streams"]
            if stream["codec_type"] == kind and not stream["disposition"]["attached_pic"]
        ]

    def packets(self, kind: str) -> list[tuple[float, float]]:
        """Begin and end, in s, of each packet of the first stream of a kind."""
        index = self.streams(kind)[0]["index"]
        packets = [packet for packet in self.probe["packets"] if packet["stream_index"] == index]
        times = [(float(packet["pts_time"]), float(packet.get("duration_time", 0))) for packet in packets]
        return [(begin, begin + duration) for begin, duration in sorted(times)]

    @functools.cached_property
    def frames(self) -> list[tuple[float, NDArray[np.uint8]]]:
        """Time in s and pixels, H x W x 3, of each frame."""
        with av.open(f"file:{self.path}") as container:
            return [(float(frame.time or 0), _pixels(frame)) for frame in container.decode(video=0)]

    @property
    def times(self) -> list[float]:
        return [time for time, _ in self.frames]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        height, width = self.frames[0][1].shape[:2]
        return width, height

    def names(self, *words: str) -> bool:
        """Returns whether one of the words was printed."""
        return any(word.lower() in self.printed.lower() for word in words)


def _pixels(frame: Any) -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = frame.to_ndarray(format="rgb24")
    return pixels


def probe(path: Path) -> Any:
    """Returns what ffprobe finds in a file."""
    entries = ["-show_streams", "-show_format", "-show_packets", "-of", "json"]
    done = subprocess.run(
        ["ffprobe", "-loglevel", "quiet", *entries, "-i", f"file:{path}"], capture_output=True, check=True
    )
    return json.loads(done.stdout)


NstLive = Callable[..., Answer]
Paint = Callable[..., Painting]


@pytest.fixture
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a new user without a screen."""
    return environment_in(tmp_path_factory.mktemp("home"))


@pytest.fixture
def nst_live(tmp_path: Path, environment: Mapping[str, str], identity: Path) -> NstLive:
    """Returns `nst_live("-i", …)`, which runs the command in an empty folder with a net that changes nothing."""

    def run_it(*arguments: object, stdin: bytes | None = None, **variables: str) -> Answer:
        style = () if "--help" in arguments else ("--style", identity, "--steady", 0)
        return run([*arguments, *style], tmp_path, {**environment, **variables}, stdin=stdin)

    return run_it


@pytest.fixture
def paint(nst_live: NstLive, tmp_path: Path) -> Paint:
    """Returns `paint(source, "painted.mp4", …)`, which paints a file and expects it to work."""

    def paint_it(source: object, output: str, *more: object, codes: Sequence[int] = (0,)) -> Painting:
        answer = nst_live("-i", source, "-o", output, *more)
        assert answer.code in codes, answer.err
        # the name of a file says nothing about what became of it
        printed = answer.err.replace(str(source), "INPUT").replace(Path(str(source)).name, "INPUT")
        return Painting(tmp_path / output, printed)

    return paint_it


@pytest.fixture
def awkward(shared: Path) -> Path:
    """The folder of the collection."""
    return shared / "awkward"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A video of 10 frames with nothing awkward about it."""
    return ffmpeg(tmp_path, f"-f lavfi -i testsrc2=size=64x48:rate=25:duration=0.4 {_X264}", "clip.mp4")


def ffmpeg(folder: Path, arguments: str, name: str) -> Path:
    """Has ffmpeg make a file; returns its path."""
    subprocess.run(
        ["ffmpeg", "-loglevel", "error", "-y", *shlex.split(arguments), f"file:{name}"], cwd=folder, check=True
    )
    return folder / name


def assert_evenly_spaced(times: Sequence[float], step_s: float) -> None:
    gaps = np.diff(times)
    assert np.all(np.abs(gaps - step_s) < 0.3 * step_s), gaps


# clocks ---------------------------------------------------------------------------------------------------------------


def test_two_broadcasts_joined_are_painted_whole_and_in_step(awkward: Path, paint: Paint) -> None:
    painting = paint(awkward / "joined-ts.ts", "painted.mp4")
    assert len(painting.times) == 50
    assert_evenly_spaced(painting.times, 1 / _FPS)
    sound = painting.packets("audio")
    assert len(sound) == 90
    begins = [begin for begin, _ in sound]
    assert_evenly_spaced(begins, 1024 / 44100)
    assert begins[0] - painting.times[0] == pytest.approx(0, abs=0.1)


def test_two_broadcasts_joined_without_sound_last_as_long_as_both(awkward: Path, paint: Paint) -> None:
    painting = paint(awkward / "joined-ts-silent.ts", "painted.mp4")
    assert len(painting.times) == 50
    assert_evenly_spaced(painting.times, 1 / _FPS)


def test_variable_rate_becomes_constant_when_a_rate_is_asked_for(awkward: Path, paint: Paint) -> None:
    painting = paint(awkward / "vfr-fps.mp4", "painted.mp4", "--fps", 30)
    assert len(painting.times) == 90
    assert_evenly_spaced(painting.times, 1 / 30)


def test_a_start_before_an_open_group_of_pictures_is_met(awkward: Path, paint: Paint) -> None:
    painting = paint(awkward / "start-open-gop.mp4", "painted.mp4", "--start", 2.92, "--end", 3.2)
    assert len(painting.times) == 7
    assert painting.times[0] == pytest.approx(0, abs=0.02)
    assert_evenly_spaced(painting.times, 1 / _FPS)
    with av.open(str(awkward / "start-open-gop.mp4")) as container:
        source = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    for (_, pixels), index in zip(painting.frames, range(73, 80), strict=True):
        differences = [np.abs(pixels.astype(int) - original).mean() for original in source]
        assert int(np.argmin(differences)) == index


def test_a_start_before_the_clock_wraps_is_met(tmp_path: Path, paint: Paint) -> None:
    """A transport stream's clock of 33 bits begins again after a day and two and a half hours."""
    wraps_s = 2**33 / 90_000
    offset = f"-output_ts_offset {wraps_s - 1:.3f} -muxdelay 0 -muxpreload 0"
    source = ffmpeg(tmp_path, f"-f lavfi -i testsrc2=size=64x48:rate=25:duration=2 {_X264} -g 10 {offset}", "wraps.ts")
    painting = paint(source, "painted.mp4", "--start", 0.8, "--end", 1.2)
    assert len(painting.times) == 10
    assert_evenly_spaced(painting.times, 1 / _FPS)


# one bad thing --------------------------------------------------------------------------------------------------------


def test_a_damaged_sound_packet_does_not_end_the_sound(awkward: Path, paint: Paint) -> None:
    painting = paint(awkward / "damaged-sound.ts", "painted.mp4", codes=(0, 3))
    sound = painting.packets("audio")
    assert 185 <= len(sound) <= 189
    assert sound[-1][1] - sound[0][0] == pytest.approx(4.0, abs=0.05)
    assert len(painting.times) == 100


@pytest.mark.parametrize(("codec", "suffix"), [("truehd", ".mp4"), ("flac", ".mov"), ("libopus", ".mov")])
def test_sound_that_the_container_refuses_is_left_out_by_name(
    codec: str, suffix: str, awkward: Path, paint: Paint
) -> None:
    source = awkward / f"sounds-refused-{codec}.mkv"
    painting = paint(source, f"painted{suffix}")
    assert len(painting.times) == _CLIP_FRAMES
    kept = [stream["codec_name"] for stream in painting.streams("audio")]
    assert kept or painting.names(f"{codec.removeprefix('lib')}")
    assert kept or painting.names("left out")


@pytest.mark.parametrize("name", ["wma.wmv", "wma-adpcm.avi", "wma-in-matroska.mkv"])
def test_sound_that_the_container_holds_is_kept(name: str, awkward: Path, paint: Paint) -> None:
    """PyAV copies only what Matroska has names of its own for; what it has others for is kept decoded."""
    painting = paint(awkward / name, "painted.mkv")
    source = Painting(awkward / name, "")
    (before,), (after,) = source.streams("audio"), painting.streams("audio")
    assert after["codec_name"] in {before["codec_name"], "pcm_s16le"}
    assert after["sample_rate"] == before["sample_rate"]
    decoded = sound_of(awkward / name)
    assert len(decoded) > 40_000
    assert np.array_equal(sound_of(painting.path), decoded)
    assert not painting.names("left out")
    assert after["codec_name"] == before["codec_name"] or painting.names("is kept as PCM")


def sound_of(path: Path) -> NDArray[np.int16]:
    """Returns the samples of a file's mono sound."""
    resampler = av.AudioResampler("s16")
    with av.open(f"file:{path}") as container:
        frames = [each for frame in container.decode(audio=0) for each in resampler.resample(frame)]
    return np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])


# numbered pictures ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["exif-row_%03d.jpg", "exif-row_%03d.png", "exif-row.mov"])
def test_exif_in_moving_pictures_turns_them_upright(name: str, awkward: Path, paint: Paint) -> None:
    painting = paint(awkward / name, "painted.mp4")
    assert len(painting.times) == 3
    assert painting.size == (64, 96)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_upright_is_what_viewers_take_for_it(suffix: str, tmp_path: Path, paint: Paint) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # what is at the left is to be above
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:, :32] = 255
    for index in range(1, 4):
        Image.fromarray(pixels).save(tmp_path / f"row_{index:03d}{suffix}", exif=exif)
    painting = paint(tmp_path / f"row_%03d{suffix}", "painted.mkv")
    shown = painting.frames[0][1]
    assert shown.shape == (64, 48, 3)
    assert shown[:28].mean() > 240
    assert shown[36:].mean() < 15


@pytest.mark.parametrize("name", ["icc-row_%03d.png", "icc-row.mov"])
def test_a_colour_profile_in_moving_pictures_crashes_nothing(name: str, awkward: Path, paint: Paint) -> None:
    painting = paint(awkward / name, "painted.mp4")
    assert len(painting.times) == 3
    assert painting.size == (96, 64)


# names ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["12:30.mp4", "Re: holiday.mp4", "odd [/b].mp4", "Title [dQw4w9WgXcQ].mp4"])
@pytest.mark.parametrize("relative", [True, False], ids=["relative", "absolute"])
def test_a_name_is_a_name(relative: bool, name: str, awkward: Path, tmp_path: Path, paint: Paint) -> None:
    source = awkward / name
    if relative:
        source = tmp_path / name
        source.parent.mkdir(exist_ok=True)
        shutil.copy(awkward / name, source)
    painting = paint(name if relative else source, "painted.mp4")
    assert len(painting.times) == _CLIP_FRAMES


def test_the_name_of_an_output_is_a_name(clip: Path, paint: Paint) -> None:
    assert len(paint(clip, "out:1.mp4").times) == _CLIP_FRAMES


@pytest.mark.parametrize("name", ["odd [/b].mp4", "Title [dQw4w9WgXcQ].mp4"])
def test_a_terminal_shows_brackets_as_they_are(
    name: str, awkward: Path, tmp_path: Path, environment: Mapping[str, str], identity: Path
) -> None:
    arguments = ["-i", awkward / name, "-o", "painted.mp4", "--style", identity, "--steady", 0]
    code, shown = on_a_terminal(command(*arguments), tmp_path, environment)
    assert code == 0, shown
    assert Path(name).name in shown
    # the bar as well as the lines around it
    bars = [line for line in shown.replace("\r", "\n").splitlines() if "fps" in line and "ETA" in line]
    assert all(Path(name).name in bar for bar in bars), bars


def on_a_terminal(argv: Sequence[str], folder: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """Runs a program on a terminal of 200 columns; returns its exit code and what the terminal was sent."""
    ours, theirs = pty.openpty()
    variables = {**environment, "TERM": "xterm-256color", "COLUMNS": "200", "LINES": "50"}
    program = subprocess.Popen(argv, cwd=folder, env=variables, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while data := os.read(ours, 65536):
            shown += data
    except OSError:  # Linux says so when the other side is closed
        pass
    os.close(ours)
    return program.wait(), shown.decode("utf-8", "replace")


def test_a_percent_sign_in_the_folder_of_a_row_is_no_pattern(awkward: Path, paint: Paint) -> None:
    assert len(paint(awkward / "50% off" / "f_%03d.png", "painted.mp4").times) == 3


def test_a_percent_sign_in_the_folder_of_painted_pictures_is_no_pattern(
    clip: Path, tmp_path: Path, nst_live: NstLive
) -> None:
    (tmp_path / "50% off").mkdir()
    answer = nst_live("-i", clip, "-o", "50% off/f_%03d.png")
    assert answer.code == 0, answer.err
    assert len(list((tmp_path / "50% off").glob("f_0??.png"))) == _CLIP_FRAMES


LONG = "n" * 246 + ".mp4"


@pytest.mark.parametrize("more", [(), ("--resume",)], ids=["once", "resumed"])
def test_an_output_of_250_bytes_is_written_under_its_name(more: Sequence[str], clip: Path, paint: Paint) -> None:
    assert len(paint(clip, LONG, *more).times) == _CLIP_FRAMES


def test_a_name_of_250_bytes_is_painted_in_a_folder(clip: Path, tmp_path: Path, nst_live: NstLive) -> None:
    (tmp_path / "in").mkdir()
    clip.rename(tmp_path / "in" / LONG)
    answer = nst_live("-i", "in", "-o", "out")
    assert answer.code == 0, answer.err
    assert len(Painting(tmp_path / "out" / LONG, "").times) == _CLIP_FRAMES


# single pictures ------------------------------------------------------------------------------------------------------


def test_exif_that_is_too_long_does_not_decide_over_the_painting(awkward: Path, tmp_path: Path, paint: Paint) -> None:
    painting = paint(awkward / "big-exif.jpg", "painted.jpg")
    with Image.open(painting.path) as image:
        image.load()
        assert image.size == (96, 64)
        assert image.getexif().get(0x010F) == "Maker" or painting.names("EXIF")


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
@pytest.mark.parametrize("what", ["model-fraction", "orientation-0", "orientation-text"])
def test_exif_of_the_wrong_type_does_not_decide_over_the_painting(
    what: str, suffix: str, awkward: Path, paint: Paint
) -> None:
    painting = paint(awkward / f"broken-exif-{what}.jpg", f"painted{suffix}")
    with Image.open(painting.path) as image:
        image.load()
        assert sorted(image.size) == [64, 96]


@pytest.mark.parametrize("suffix", [".webp", ".png"])
def test_pictures_that_move_are_painted_as_animations(suffix: str, tmp_path: Path, paint: Paint) -> None:
    frames = [Image.fromarray(np.full((48, 64, 3), 40 * index, np.uint8)) for index in range(1, 6)]
    moving = tmp_path / f"moving{suffix}"
    frames[0].save(moving, save_all=True, append_images=frames[1:], duration=100, loop=0)
    painting = paint(moving, "painted.mp4")
    assert [round(float(pixels.mean()) / 40) for _, pixels in painting.frames] == [1, 2, 3, 4, 5]
    assert_evenly_spaced(painting.times, 0.1)


# what a file says beside its pictures ---------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".mov", ".mp4"])
def test_what_a_telephone_notes_is_kept_or_named(suffix: str, awkward: Path, paint: Paint) -> None:
    painting = paint(awkward / "phone-tags.mov", f"painted{suffix}")
    kept = json.dumps(painting.probe["format"].get("tags", {}))
    for value, words in {
        "Maker": ("make",),
        "Phone 1": ("model",),
        "2021-06-26T14:14:20": ("date",),
        "+48.2000+016.3000": ("place", "location"),
    }.items():
        assert value in kept or painting.names(*words), f"{value}: {kept}\n{painting.printed}"


def test_captions_are_kept_or_named(awkward: Path, paint: Paint) -> None:
    painting = paint(awkward / "captions.ts", "painted.mp4")
    assert painting.streams("video")[0].get("closed_captions") == 1 or painting.names("caption")


def test_a_cover_stays_a_cover(awkward: Path, paint: Paint) -> None:
    painting = paint(awkward / "cover.mp4", "painted.mkv")
    covers = [stream for stream in painting.probe["streams"] if "mimetype" in stream.get("tags", {})]
    assert [cover["tags"]["mimetype"] for cover in covers] == ["image/jpeg"]
    assert covers[0]["disposition"]["attached_pic"] == 1


@pytest.mark.parametrize("name", ["statistics.mkv", "statistics-360.mkv"])
def test_no_statistics_are_those_of_another_file(name: str, awkward: Path, paint: Paint) -> None:
    painting = paint(awkward / name, "painted.mkv")
    video = painting.streams("video")[0]
    tags = {key.upper(): value for key, value in video.get("tags", {}).items()}
    sizes = [int(packet["size"]) for packet in painting.probe["packets"] if packet["stream_index"] == video["index"]]
    figures = {"NUMBER_OF_BYTES": sum(sizes), "NUMBER_OF_FRAMES": len(sizes), "BPS": 8 * sum(sizes)}
    for key, figure in figures.items():
        assert int(tags.get(key, figure)) == pytest.approx(figure, rel=0.01), key
    if not figures.keys() & tags.keys():
        assert not [key for key in tags if key.startswith("_STATISTICS")]


def test_the_mark_of_a_360_degree_film_is_kept_or_named(awkward: Path, paint: Paint) -> None:
    painting = paint(awkward / "statistics-360.mkv", "painted.mkv")
    assert "pherical" in json.dumps(painting.streams("video")) or painting.names("360", "spherical")


def test_the_number_of_loops_of_a_gif_is_kept_or_named(tmp_path: Path, paint: Paint) -> None:
    frames = [Image.fromarray(np.full((48, 64, 3), 60 * index, np.uint8)) for index in range(1, 4)]
    frames[0].save(tmp_path / "thrice.gif", save_all=True, append_images=frames[1:], duration=100, loop=3)
    painting = paint(tmp_path / "thrice.gif", "painted.gif")
    with Image.open(painting.path) as image:
        assert image.info.get("loop") == 3 or painting.names("loop")


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_interlacing_is_kept_or_named(suffix: str, tmp_path: Path, paint: Paint) -> None:
    fields = "-vf tinterlace=interleave_top,setfield=tff -flags +ilme+ildct -x264-params tff=1"
    pictures = "-f lavfi -i testsrc2=size=128x96:rate=50:duration=0.8"
    source = ffmpeg(tmp_path, f"{pictures} {_X264} {fields}", "interlaced.mkv")
    assert probe(source)["streams"][0]["field_order"] in {"tt", "tb"}
    painting = paint(source, f"painted{suffix}")
    assert painting.streams("video")[0].get("field_order") in {"tt", "tb"} or painting.names("interlace", "field")


# sizes and the way up -------------------------------------------------------------------------------------------------


def test_a_disc_stays_round_when_the_size_changes(awkward: Path, paint: Paint) -> None:
    painting = paint(awkward / "turned.ts", "painted.mp4")
    assert len(painting.times) == 50
    for at_s, pixels in painting.frames:
        rows, columns = np.nonzero(pixels[..., 1] > 128)
        width, height = np.ptp(columns) + 1, np.ptp(rows) + 1
        assert width / height == pytest.approx(1, abs=0.08), at_s


@pytest.fixture
def served(awkward: Path, tmp_path: Path) -> Iterator[Callable[[Path], str]]:
    """Returns `served(path)`, the address at which a server on this machine gives a file."""
    (tmp_path / "served").mkdir()
    handler = functools.partial(_Quiet, directory=str(tmp_path / "served"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def serve(path: Path) -> str:
        shutil.copy(path, tmp_path / "served" / path.name)
        return f"http://127.0.0.1:{server.server_port}/{path.name}"

    yield serve
    server.shutdown()
    thread.join()
    server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Prints nothing."""


def test_what_comes_over_the_network_is_upright(awkward: Path, served: Callable[[Path], str], paint: Paint) -> None:
    source = awkward / "over-http-portrait.mp4"
    painting = paint(served(source), "painted.mp4", "--frames", 10)
    assert painting.size == (96, 128) == paint(source, "from-disk.mp4", "--frames", 10).size


def test_what_comes_over_the_network_has_its_own_shape(
    tmp_path: Path, served: Callable[[Path], str], paint: Paint
) -> None:
    pictures = "-f lavfi -i testsrc2=size=64x96:rate=25:duration=1,setsar=2"
    source = ffmpeg(tmp_path, f"{pictures} {_X264} -movflags faststart", "wide.mp4")
    painting = paint(served(source), "painted.mkv", "--frames", 10)
    (video,) = painting.streams("video")
    pixel = Fraction(video.get("sample_aspect_ratio", "1:1").replace(":", "/"))
    assert float(video["width"] * pixel / video["height"]) == pytest.approx(4 / 3, rel=0.03)


# what has no file -----------------------------------------------------------------------------------------------------


def test_hevc_goes_into_an_m4v_or_the_reason_is_said(clip: Path, tmp_path: Path, nst_live: NstLive) -> None:
    answer = nst_live("-i", clip, "-o", "painted.m4v", "--encoder", "libx265")
    if answer.code == 0:
        painting = Painting(tmp_path / "painted.m4v", answer.err)
        assert painting.streams("video")[0]["codec_name"] == "hevc"
        assert len(painting.times) == _CLIP_FRAMES
        return
    assert answer.code == 2
    assert "m4v" in answer.complaint
    assert "libx265" in answer.complaint
    assert not (tmp_path / "painted.m4v").exists()


def test_a_settings_file_with_a_byte_order_mark_is_read(clip: Path, tmp_path: Path, nst_live: NstLive) -> None:
    (tmp_path / "settings.toml").write_bytes("\ufeffframes = 4\n".encode())
    answer = nst_live("--config", "settings.toml", "-i", clip, "-o", "painted.mp4")
    assert answer.code == 0, answer.err
    assert len(Painting(tmp_path / "painted.mp4", "").times) == 4


@pytest.mark.parametrize("name", ["clip.ts", "clip.mkv", "clip.nut"])
@pytest.mark.parametrize("spelling", ["-", "/dev/stdin"])
def test_what_needs_no_seeking_is_read_from_a_pipe(
    spelling: str, name: str, tmp_path: Path, nst_live: NstLive, clip: Path
) -> None:
    data = ffmpeg(tmp_path, f"-i {clip} -c copy", name).read_bytes()
    answer = nst_live("-i", spelling, "-o", "painted.mp4", stdin=data)
    assert answer.code == 0, answer.err
    assert len(Painting(tmp_path / "painted.mp4", "").times) == _CLIP_FRAMES


@pytest.mark.parametrize("spelling", ["-", "/dev/stdin"])
def test_a_pipe_that_would_have_to_be_sought_in_is_refused_in_one_line(
    spelling: str, clip: Path, tmp_path: Path, nst_live: NstLive
) -> None:
    answer = nst_live("-i", spelling, "-o", "painted.mp4", stdin=clip.read_bytes())
    if answer.code != 0:
        assert answer.code in {2, 3}
        assert any(word in answer.complaint for word in ("seek", "pipe"))
        assert not (tmp_path / "painted.mp4").exists()
    else:
        assert len(Painting(tmp_path / "painted.mp4", "").times) == _CLIP_FRAMES


@pytest.mark.parametrize("more", [(), ("--format", "mkv")], ids=["plain", "mkv"])
def test_a_painting_goes_into_a_pipe(more: Sequence[str], clip: Path, tmp_path: Path, nst_live: NstLive) -> None:
    answer = nst_live("-i", clip, "-o", "-", *more)
    assert answer.code == 0, answer.err
    (tmp_path / "piped").write_bytes(answer.out)
    assert len(Painting(tmp_path / "piped", "").times) == _CLIP_FRAMES
    assert not (tmp_path / "-").exists()


@pytest.mark.parametrize("arguments", [("--help",), ("--list-styles",), ("--print-config",)], ids=" ".join)
def test_a_terminal_of_ascii_is_enough(
    arguments: Sequence[str], tmp_path: Path, environment: Mapping[str, str]
) -> None:
    answer = run(arguments, tmp_path, {**environment, "PYTHONIOENCODING": "ascii"})
    assert answer.code == 0, answer.err
    assert answer.out


def test_a_user_whom_the_system_does_not_know_needs_no_home(
    clip: Path, tmp_path: Path, environment: Mapping[str, str], identity: Path
) -> None:
    as_stranger = ("unshare", "--user", "--map-user=12345", "--map-group=12345")
    if (
        shutil.which("unshare") is None
        or subprocess.run([*as_stranger, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no user namespaces here")
    known = {name: value for name, value in environment.items() if name != "HOME" and not name.startswith("XDG_")}
    arguments = ["-i", clip, "-o", "painted.mp4", "--style", identity, "--steady", 0]
    answer = run(arguments, tmp_path, known, before=as_stranger)
    assert answer.code == 0, answer.err
    assert len(Painting(tmp_path / "painted.mp4", "").times) == _CLIP_FRAMES
