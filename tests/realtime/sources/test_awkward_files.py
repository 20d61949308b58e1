"""Awkward files made with ffmpeg go through the whole command: ffprobe finds the same in the input and in the output.

A net that returns its input also shows that colors and orientation survive.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from realtime.frames import Pixels
from realtime.media.color import hdr_name
from tests.realtime.conftest import NstLive

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg, which makes the files, is missing")

PICTURE = "-f lavfi -i testsrc2=size={size}:rate={rate}:duration={seconds},hue=s=0.4,gblur=sigma=6{filters}"
X264 = "-c:v libx264 -preset ultrafast -crf 8"
SOUND = "-f lavfi -i sine=440:duration=0.5"


def film(
    rest: str = f"{X264} -pix_fmt yuv420p",
    *,
    size: str = "128x96",
    rate: str = "25",
    seconds: str = "0.4",
    filters: str = "",
    more: str = "",
) -> str:
    """Returns ffmpeg's arguments for a test video; `more`: further inputs."""
    return f"{PICTURE.format(size=size, rate=rate, seconds=seconds, filters=filters)} {more} {rest}"


@dataclass(frozen=True)
class Case:
    """A file and what becomes of it. `says`: what the command reports about it; everything else is kept.

    before: a command for a file that the making needs. size: the painting's where it differs; alike:
    whether the one can then be laid on the other.
    """

    make: str
    name: str = "source.mp4"
    painted: str = "painted.mp4"
    says: Sequence[str] = ()
    before: Sequence[str] = ()
    size: tuple[int, int] | None = None
    alike: bool = True


ODD = ",format=yuv444p,crop=65:49:0:0:exact=1"
B_FRAMES = film(f"{X264} -bf 3 -g 8 -pix_fmt yuv420p", seconds="1")
ROTATED = "-i plain.mp4 -c copy -metadata:s:v rotate={}"
VFR = ",setpts='(N+floor(N/3)*2)/25/TB' -vsync passthrough -enc_time_base -1"
TWO_SOUNDS = f"{SOUND} -f lavfi -i sine=880:duration=0.4"
MAPS = "-map 0:v -map 1:a -map 2:a -c:a:0 aac -c:a:1 {} -metadata:s:a:0 language=ger -metadata:s:a:1 language=fre"
TAGS = "-metadata title=Ships -metadata artist=Turner -metadata comment=Waves"
HDR = (
    ",format=gbrp,zscale=rin=full:r=limited:pin=709:p=2020:tin=709:t={0}:m=2020_ncl:npl=203,format=yuv420p10le "
    "-c:v libx265 -x265-params log-level=none:colorprim=bt2020:transfer={0}:colormatrix=bt2020nc "
    "-color_primaries bt2020 -color_trc {0} -colorspace bt2020nc"
)

CASES: Mapping[str, Case] = {
    "25 fps": Case(film()),
    "23.976 fps": Case(film(rate="24000/1001")),
    "12.5 fps": Case(film(rate="25/2")),
    "59.94 fps": Case(film(rate="60000/1001")),
    "one frame every three seconds": Case(film(rate="1/3", seconds="12")),
    "variable rate": Case(film(filters=VFR)),
    "variable rate in Matroska": Case(film(filters=VFR), "source.mkv", "painted.mkv"),
    "B-frames": Case(B_FRAMES),
    "an edit list": Case(
        "-ss 0.5 -i long.mp4 -c copy", before=[film(f"{X264} -bf 3 -g 8 -pix_fmt yuv420p -y long.mp4", seconds="1")]
    ),
    "the picture begins later than the sound": Case(
        f"{SOUND} -itsoffset 0.3 {film('-map 1:v -map 0:a -c:a aac ' + X264 + ' -pix_fmt yuv420p')}"
    ),
    "everything begins late in Matroska": Case(
        film(f"{X264} -output_ts_offset 2 -pix_fmt yuv420p"), "source.mkv", "painted.mkv"
    ),
    "rotated by 90": Case(ROTATED.format(90), before=[film(f"{X264} -pix_fmt yuv420p -y plain.mp4")], size=(96, 128)),
    "rotated by 180": Case(ROTATED.format(180), before=[film(f"{X264} -pix_fmt yuv420p -y plain.mp4")]),
    "rotated by 270": Case(ROTATED.format(270), before=[film(f"{X264} -pix_fmt yuv420p -y plain.mp4")], size=(96, 128)),
    "an odd size": Case(
        film(f"{X264} -pix_fmt yuv444p", size="66x50", filters=ODD), says=["65x49 becomes 66x50"], size=(66, 50)
    ),
    "an odd size in WebM": Case(film(f"{X264} -pix_fmt yuv444p", size="66x50", filters=ODD), painted="painted.webm"),
    "wide pixels": Case(film(filters=",setsar=4/3")),
    "wide pixels in WebM": Case(
        film(filters=",setsar=4/3"),
        painted="painted.webm",
        says=["128x96 becomes 171x96"],
        size=(171, 96),
        alike=False,
    ),
    "wide pixels, rotated": Case(
        ROTATED.format(90),
        before=[film(f"{X264} -pix_fmt yuv420p -y plain.mp4", filters=",setsar=4/3")],
        size=(96, 128),
    ),
    "10 bits": Case(film(f"{X264} -pix_fmt yuv420p10le")),
    "4:2:2": Case(film(f"{X264} -pix_fmt yuv422p")),
    "4:4:4": Case(film(f"{X264} -pix_fmt yuv444p")),
    "RGB": Case(film("-c:v libx264rgb -preset ultrafast -crf 8")),
    "full range": Case(film(f"{X264} -pix_fmt yuvj420p")),
    "BT.709 in a small picture": Case(
        film(f"{X264} -colorspace bt709 -pix_fmt yuv420p", filters=",scale=out_color_matrix=bt709")
    ),
    "BT.601 in a large picture": Case(
        film(
            f"{X264} -colorspace smpte170m -color_primaries smpte170m -color_trc smpte170m -pix_fmt yuv420p",
            size="1280x720",
            seconds="0.08",
            filters=",scale=out_color_matrix=bt601",
        )
    ),
    "no sound": Case(film()),
    "two sounds": Case(film(f"{X264} {MAPS.format('ac3')} -pix_fmt yuv420p", more=TWO_SOUNDS)),
    "two sounds in Matroska": Case(
        film(f"{X264} {MAPS.format('flac')} -pix_fmt yuv420p", more=TWO_SOUNDS), "source.mkv", "painted.mkv"
    ),
    "a sound that WebM cannot hold": Case(
        film(f"{X264} {MAPS.format('libopus')} -pix_fmt yuv420p", more=TWO_SOUNDS),
        "source.mkv",
        "painted.webm",
        says=["audio aac (ger) is left out"],
    ),
    "sound longer than the picture": Case(
        film(f"{X264} -c:a aac -pix_fmt yuv420p", more="-f lavfi -i sine=440:duration=2")
    ),
    "subtitles": Case(
        film(f"{X264} -c:s srt -metadata:s:s language=eng -pix_fmt yuv420p", more="-i words.srt"),
        "source.mkv",
        "painted.mkv",
    ),
    "subtitles of QuickTime": Case(film(f"{X264} -c:s mov_text -pix_fmt yuv420p", more="-i words.srt")),
    "subtitles that MP4 cannot hold": Case(
        film(f"{X264} -c:s srt -pix_fmt yuv420p", more="-i words.srt"),
        "source.mkv",
        says=["subtitle srt is left out: mp4 cannot hold it; mkv can hold most"],
    ),
    "chapters and tags": Case(
        film(f"{X264} -map_metadata 1 {TAGS} -pix_fmt yuv420p", more="-i chapters.txt"), "source.mkv", "painted.mkv"
    ),
    "chapters and tags in MP4": Case(film(f"{X264} -map_metadata 1 {TAGS} -pix_fmt yuv420p", more="-i chapters.txt")),
    "a time code": Case(film(f"{X264} -timecode 01:00:00:00 -pix_fmt yuv420p"), "source.mov", "painted.mov"),
    "a font attached": Case(
        film(f"{X264} -attach words.srt -metadata:s:1 mimetype=font/ttf -pix_fmt yuv420p"), "source.mkv", "painted.mkv"
    ),
    "one frame only": Case(film(seconds="0.04")),
    "MPEG-2 in a transport stream": Case(
        film("-c:v mpeg2video -q:v 1 -c:a mp2 -pix_fmt yuv420p", more=SOUND), "source.ts", "painted.mkv"
    ),
    "H.264 in a transport stream": Case(film(f"{X264} -c:a aac -pix_fmt yuv420p", more=SOUND), "source.ts"),
    "VP9": Case(
        film("-c:v libvpx-vp9 -crf 8 -b:v 0 -cpu-used 8 -c:a libopus -pix_fmt yuv420p", more=SOUND),
        "source.webm",
        "painted.webm",
    ),
    "VP9 with alpha": Case(
        film(
            "-c:v libvpx-vp9 -crf 8 -b:v 0 -cpu-used 8 -auto-alt-ref 0 -pix_fmt yuva420p",
            filters=",colorchannelmixer=aa=0.5",
        ),
        "source.webm",
        says=["its alpha channel is ignored"],
    ),
    "AV1": Case(film("-c:v libaom-av1 -cpu-used 8 -crf 10 -pix_fmt yuv420p"), "source.mkv", "painted.mkv"),
    "ProRes": Case(film("-c:v prores_ks -profile:v 2 -pix_fmt yuv422p10le"), "source.mov", "painted.mov"),
    "ProRes with alpha": Case(
        film("-c:v prores_ks -profile:v 4444 -pix_fmt yuva444p10le", filters=",format=rgba,colorchannelmixer=aa=0.5"),
        "source.mov",
        "painted.mov",
        says=["its alpha channel is ignored"],
    ),
    "MJPEG in AVI": Case(
        film("-c:v mjpeg -q:v 1 -c:a pcm_s16le -pix_fmt yuvj422p", more=SOUND), "source.avi", "painted.mkv"
    ),
    "MPEG-4 in AVI": Case(
        film("-c:v mpeg4 -q:v 1 -bf 2 -c:a libmp3lame -pix_fmt yuv420p", more=SOUND), "source.avi", "painted.mkv"
    ),
    "GIF": Case(film("", rate="10", seconds="0.8"), "source.gif", "painted.gif"),
    "numbered pictures": Case(film(""), "source_%03d.png", "painted_%05d.png"),
    "8 x 8": Case(film(size="8x8"), says=["tiny"]),
    "16 x 4096": Case(
        film(
            f"{X264} -colorspace bt709 -pix_fmt yuv420p",
            size="16x4096",
            seconds="0.12",
            filters=",gblur=sigma=8,scale=out_color_matrix=bt709",
        )
    ),
}

SUBTITLES = "1\n00:00:00,200 --> 00:00:00,300\nA ship!\n"
CHAPTERS = """;FFMETADATA1
[CHAPTER]
TIMEBASE=1/1000
START=0
END=200
title=Calm
[CHAPTER]
TIMEBASE=1/1000
START=200
END=400
title=Storm
"""
# Tags that describe the file itself.
OWN_TAGS = {"encoder", "duration", "major_brand", "minor_version", "compatible_brands", "vendor_id", "handler_name"}


@dataclass(frozen=True)
class Found:
    """What ffprobe and ffmpeg find in a file."""

    path: Path

    @cached_property
    def all(self) -> Any:
        entries = ["-show_streams", "-show_format", "-show_chapters", "-show_packets", "-show_frames"]
        rate = ["-framerate", "25"] if "%" in self.path.name else []
        command = ["ffprobe", "-loglevel", "quiet", "-of", "json", "-show_data_hash", "md5", *entries, *rate]
        done = subprocess.run([*command, "-i", str(self.path)], capture_output=True, check=True)
        return json.loads(done.stdout)

    def streams(self, kind: str) -> list[Any]:
        return [stream for stream in self.all["streams"] if stream["codec_type"] == kind]

    @property
    def video(self) -> Any:
        return self.streams("video")[0]

    @property
    def tick(self) -> Fraction:
        return Fraction(self.video["time_base"])

    def parts(self, kind: str, stream: Any) -> list[Any]:
        parts = self.all["packets_and_frames"]
        return [part for part in parts if part["type"] == kind and part["stream_index"] == stream["index"]]

    @cached_property
    def times(self) -> list[Fraction]:
        """The time of each frame, in seconds; in a broadcast, from the beginning of the file."""
        times: list[Fraction] = []
        for frame in self.parts("frame", self.video):
            stamp = frame.get("best_effort_timestamp")
            # AVI has no time for frames that a decoder holds back; there one tick is one frame
            times.append(times[-1] + self.tick if stamp is None else int(stamp) * self.tick - self.origin_s)
        return times

    @property
    def origin_s(self) -> Fraction:
        return (
            Fraction(self.all["format"]["start_time"]) if self.all["format"]["format_name"] == "mpegts" else Fraction(0)
        )

    @property
    def ends_s(self) -> list[Fraction]:
        """When the video ends, according to the last frame and to the stream, which edit lists make differ."""
        ends = []
        last = self.parts("frame", self.video)[-1]
        if "pkt_duration" in last:
            ends.append(self.times[-1] + int(last["pkt_duration"]) * self.tick)
        if "duration" in self.video:
            ends.append(Fraction(self.video["start_time"]) + Fraction(self.video["duration"]) - self.origin_s)
        return ends

    def packets(self, stream: Any) -> list[tuple[Fraction, str]]:
        """Times and contents of a stream's packets."""
        base = Fraction(stream["time_base"])
        packets = self.parts("packet", stream)
        return [(int(packet["pts"]) * base - self.origin_s, packet["data_hash"]) for packet in packets]

    @property
    def tags(self) -> dict[str, str]:
        return {
            key.lower(): value
            for key, value in self.all["format"].get("tags", {}).items()
            if key.lower() not in OWN_TAGS
        }

    @property
    def chapters(self) -> list[tuple[float, float, str]]:
        return [
            (float(chapter["start_time"]), float(chapter["end_time"]), chapter["tags"]["title"])
            for chapter in self.all["chapters"]
        ]

    def pictures(self, size: tuple[int, int]) -> Pixels:
        """N x H x W x 3 uint8, upright, cropped to a size."""
        exact = "scale=flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp:in_h_chr_pos=0"
        decode = ["ffmpeg", "-loglevel", "error", "-i", str(self.path), "-map", "0:v:0", "-vsync", "passthrough"]
        raw = subprocess.run(
            [*decode, "-vf", f"{exact},format=rgb24,crop={size[0]}:{size[1]}:0:0", "-f", "rawvideo", "-"],
            capture_output=True,
            check=True,
        ).stdout
        return np.frombuffer(raw, np.uint8).reshape(-1, size[1], size[0], 3)


def ffmpeg(folder: Path, arguments: str) -> None:
    subprocess.run(["ffmpeg", "-loglevel", "error", *shlex.split(arguments)], cwd=folder, check=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("awkward")
    (folder / "words.srt").write_text(SUBTITLES)
    (folder / "chapters.txt").write_text(CHAPTERS)
    return folder


def paint(case: Case, folder: Path, nst_live: NstLive, identity: Path) -> tuple[Found, Found, str]:
    """Makes a file and paints it; returns what is found in both, and what was printed."""
    for arguments in case.before:
        ffmpeg(folder, arguments)
    ffmpeg(folder, f"-y {case.make} {case.name}")
    result = nst_live("-i", folder / case.name, "-o", case.painted, "--style", identity, "--steady", 0)
    assert result.code == 0, result.err
    return Found(folder / case.name), Found(Path.cwd() / case.painted), result.err


def psnr(one: Pixels, other: Pixels) -> float:
    error = float(np.mean((one.astype(np.float64) - other) ** 2))
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_lost(name: str, folder: Path, nst_live: NstLive, identity: Path) -> None:
    case = CASES[name]
    source, painted, printed = paint(case, folder, nst_live, identity)
    notes = [line for line in printed.splitlines() if " into " not in line and "backend" not in line]
    assert len(notes) == len(case.says), printed
    assert all(words in printed for words in case.says), printed
    tick = max(source.tick, painted.tick)
    assert len(painted.times) == len(source.times)
    assert all(abs(one - other) <= tick for one, other in zip(painted.times, source.times, strict=True))
    assert any(abs(one - other) <= tick for one in painted.ends_s for other in source.ends_s)
    size = case.size or (source.video["width"], source.video["height"])
    assert (painted.video["width"], painted.video["height"]) == size
    assert shown_aspect(painted) == pytest.approx(shown_aspect(source), rel=0.02)
    assert_the_rest_is_kept(source, painted, printed)
    shared = (65, 49) if size == (66, 50) else size
    assert not case.alike or psnr(source.pictures(shared), painted.pictures(shared)) >= 40


def assert_the_rest_is_kept(source: Found, painted: Found, printed: str) -> None:
    for kind in ("audio", "subtitle"):
        kept = [stream for stream in source.streams(kind) if stream["codec_name"] not in left_out(printed)]
        assert len(painted.streams(kind)) == len(kept)
        for before, after in zip(kept, painted.streams(kind), strict=True):
            assert after["codec_name"] == before["codec_name"]
            assert language(after) == language(before)
            assert_packets_are_kept(source, before, painted, after)
    if painted.path.suffix not in {".gif", ".png"}:
        assert painted.chapters == source.chapters
        assert {key: painted.tags.get(key) for key in source.tags} == source.tags
    attached = [stream["tags"]["filename"] for stream in source.streams("attachment")]
    assert [stream["tags"]["filename"] for stream in painted.streams("attachment")] == attached


def left_out(printed: str) -> list[str]:
    codecs = [line.split()[2] for line in printed.splitlines() if " is left out" in line]
    return [{"srt": "subrip"}.get(codec, codec) for codec in codecs]


def language(stream: Any) -> str:
    return str(stream.get("tags", {}).get("language", "und"))


def assert_packets_are_kept(source: Found, before: Any, painted: Found, after: Any) -> None:
    earlier, later = source.packets(before), painted.packets(after)
    if before["codec_name"] == "mov_text":
        # in MP4 an empty subtitle marks the end of the one before
        later = later[: len(earlier)]
    broadcast_aac = source.path.suffix == ".ts" and before["codec_name"] == "aac"
    # MP4 drops the headers of a broadcast's packets
    assert broadcast_aac or [data for _, data in later] == [data for _, data in earlier]
    assert len(later) == len(earlier) > 0
    tick = max(Fraction(before["time_base"]), Fraction(after["time_base"]))
    assert all(abs(one - other) <= tick for (one, _), (other, _) in zip(later, earlier, strict=True))


def shown_aspect(found: Found) -> float:
    """Returns width by height of the upright frame as it is shown."""
    pixel = found.video.get("sample_aspect_ratio", "1:1").replace(":", "/")
    aspect = found.video["width"] / found.video["height"] * Fraction(pixel)
    rotations = [int(data.get("rotation", 0)) for data in found.video.get("side_data_list", [])]
    return float(1 / aspect if any(rotation % 180 for rotation in rotations) else aspect)


def test_high_dynamic_range_looks_like_the_same_video_in_standard_range(
    folder: Path, nst_live: NstLive, identity: Path
) -> None:
    ffmpeg(folder, film("-y source.mp4", filters=HDR.format("smpte2084")))
    ffmpeg(folder, film(f"{X264} -pix_fmt yuv420p -y plain.mp4"))
    result = nst_live(
        "-i", folder / "source.mp4", "-o", "painted.mp4", "--style", identity, "--steady", 0, "--frames", 2
    )
    assert "high dynamic range (PQ): it is mapped to standard dynamic range, BT.709" in result.err
    painted, plain = Found(Path("painted.mp4")), Found(folder / "plain.mp4")
    assert [painted.video[key] for key in ("color_transfer", "color_primaries")] == ["bt709", "bt709"]
    before, after = plain.pictures((128, 96))[:2], painted.pictures((128, 96))
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.97


@pytest.mark.parametrize(("transfer", "name"), [("smpte2084", "PQ"), ("arib-std-b67", "HLG"), ("bt709", None)])
def test_high_dynamic_range_is_recognized_by_its_transfer(transfer: str, name: str | None, folder: Path) -> None:
    ffmpeg(folder, film(f"{X264} -color_trc {transfer} -pix_fmt yuv420p -y source.mp4", seconds="0.04"))
    with av.open(str(folder / "source.mp4")) as container:
        assert hdr_name(next(container.decode(video=0))) == name


# damaged files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".avi", ".webm"])
def test_what_is_left_of_a_file_that_was_cut_off_is_painted(
    suffix: str, folder: Path, nst_live: NstLive, identity: Path
) -> None:
    codecs = {".webm": "-c:v libvpx-vp9 -cpu-used 8 -c:a libopus"}.get(suffix, f"{X264} -g 5 -c:a aac")
    moov_first = "-movflags +faststart" if suffix == ".mp4" else ""
    ffmpeg(folder, film(f"{codecs} {moov_first} -pix_fmt yuv420p -y whole{suffix}", more=SOUND, seconds="2"))
    whole = (folder / f"whole{suffix}").read_bytes()
    (folder / f"cut{suffix}").write_bytes(whole[: len(whole) * 6 // 10])
    result = nst_live("-i", folder / f"cut{suffix}", "-o", "painted.mkv", "--style", identity, "--steady", 0)
    assert 10 < len(Found(Path("painted.mkv")).times) < 50
    # a transport stream does not say how long it should be
    assert result.code == (0 if suffix == ".ts" else 3), result.err
    assert suffix == ".ts" or "damaged or cut off: only" in result.complaint


@pytest.mark.parametrize("suffix", [".mkv", ".ts", ".mp4"])
def test_what_lies_behind_a_damaged_place_is_painted_too(
    suffix: str, folder: Path, nst_live: NstLive, identity: Path
) -> None:
    ffmpeg(folder, film(f"{X264} -g 5 -movflags +faststart -pix_fmt yuv420p -y whole{suffix}", seconds="2"))
    data = bytearray((folder / f"whole{suffix}").read_bytes())
    middle, damage = len(data) // 2, 2000
    data[middle : middle + damage] = np.random.default_rng(1).bytes(damage)
    (folder / f"damaged{suffix}").write_bytes(data)
    result = nst_live("-i", folder / f"damaged{suffix}", "-o", "painted.mkv", "--style", identity, "--steady", 0)
    assert result.code in {0, 3}, result.err
    assert Found(Path("painted.mkv")).times[-1] == Fraction(49, 25)


def test_a_file_that_is_not_a_video_gives_one_line_and_exit_code_3(tmp_path: Path, nst_live: NstLive) -> None:
    Path("empty.mp4").touch()
    Path("text.mp4").write_text("These are no pictures.\n" * 100)
    for name, words in {"empty.mp4": "is empty (0 bytes)", "text.mp4": "cannot be read as a video"}.items():
        result = nst_live("-i", name, "-o", "painted.mp4")
        assert result.code == 3
        assert words in result.complaint
        assert not Path("painted.mp4").exists()
