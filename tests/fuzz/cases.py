"""One case: damaged files, a command, and what is owed whatever happens. Decided by seed and index alone."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from tests.fuzz.damage import damage
from tests.fuzz.samples import Samples
from tests.fuzz.settings_damage import nonsense
from tests.fuzz.style_damage import STYLE_DAMAGE

IDENTITY = "identity.onnx"
_PLAIN = ("--style", IDENTITY, "--steady", "0")
_OLD = b"what was painted before"


@dataclass(frozen=True)
class Case:
    """A case.

    Args:
        kind: what is damaged, e.g. "mkv", "jpg in a row", "settings".
        done: what was done to it.
        files: the folder's content before the command runs, by path in it.
        argv: the command's arguments; it runs in that folder.
        output: where the painting is to be: a file, a pattern of numbered pictures, or a folder.
        named: words of which a complaint has at least one.
        whole: what is to be there afterwards, whatever became of the damaged file.
        must_pass: whether the damage is no reason to fail.
        complaints: how many complaints there may be.
    """

    seed: int
    index: int
    kind: str
    done: str
    files: Mapping[str, bytes]
    argv: Sequence[str]
    output: str
    named: Sequence[str]
    whole: Sequence[str] = ()
    must_pass: bool = False
    complaints: int = 1

    @property
    def old(self) -> bytes | None:
        """What lay where the painting is to be, None when nothing did."""
        return self.files.get(self.output)

    @property
    def command(self) -> str:
        """The command, to be typed in the case's folder."""
        return f"python -m realtime.app.main {shlex.join(self.argv)}"


def make_case(seed: int, index: int, samples: Samples) -> Case:
    """Returns the case of that index; the same for the same seed."""
    dice = Random(f"{seed}:{index}")
    make = dice.choices(list(_MAKERS), list(_MAKERS.values()))[0]
    # of dice of their own, so that the cases that were there before stay what they were
    other = Random(f"{seed}:{index}:{_OTHERS}")
    if other.random() < _OTHER_SHARE:
        make, dice = other.choice(_OTHER_MAKERS), other
    return make(_Making(seed, index, dice, samples))


@dataclass(frozen=True)
class _Making:
    """What a case is made from."""

    seed: int
    index: int
    dice: Random
    samples: Samples

    def damaged(self, of: Mapping[str, tuple[str, bytes]]) -> tuple[str, str, bytes, str]:
        """Returns kind, suffix and bytes of a damaged file, and what was done to it."""
        kind = self.dice.choice(list(of))
        suffix, data = of[kind]
        data, done = damage(data, self.dice, suffix, [data for _, data in of.values()])
        return kind, suffix, data, done

    def output(self, suffixes: Mapping[str, int]) -> str:
        return "painted" + self.dice.choices(list(suffixes), list(suffixes.values()))[0]


_VIDEO_SUFFIXES = {".mp4": 8, ".mkv": 8, ".mov": 3, ".webm": 2, ".gif": 1, "_%03d.png": 1}
_PICTURE_SUFFIXES = {".jpg": 3, ".png": 3, ".webp": 1, ".tif": 2, ".bmp": 1}
_MORE: Sequence[tuple[str, ...]] = (
    ("--start", "0.1"),
    ("--end", "0.2"),
    ("--start", "0.16", "--end", "0.32"),
    ("--fps", "10"),
    ("--fps", "50"),
    ("--frames", "4"),
    ("--max-size", "32"),
    ("--scale", "2"),
    ("--size", "64x64"),
    ("--mirror",),
    ("--steady", "0.8"),
    ("-y",),
)


def _video(making: _Making) -> Case:
    kind, suffix, data, done = making.damaged(making.samples.videos)
    output = making.output(_VIDEO_SUFFIXES)
    more = making.dice.choice(_MORE) if making.dice.random() < 0.4 else ()
    if making.dice.random() < 0.05 and output.endswith((".mp4", ".mkv", ".mov", ".webm")):
        more = ("--resume",)
    return _case(making, kind, done, f"damaged{suffix}", data, output, more)


def _picture(making: _Making) -> Case:
    kind, suffix, data, done = making.damaged(making.samples.pictures)
    more = making.dice.choice((("--max-size", "32"), ("--scale", "2"), ("-y",), ("--mirror",), (), (), ()))
    return _case(making, kind, done, f"damaged{suffix}", data, making.output(_PICTURE_SUFFIXES), more)


def _case(  # noqa: PLR0917
    making: _Making, kind: str, done: str, name: str, data: bytes, output: str, more: Sequence[str]
) -> Case:
    files = {IDENTITY: making.samples.identity, name: data}
    if more == ("-y",) and "%" not in output:
        files[output] = _OLD
    argv = ("-i", name, "-o", output, *_PLAIN, *more)
    named = (name, _stem(output), "the net 'identity'")
    return Case(making.seed, making.index, kind, done, files, argv, output, named)


def _stem(output: str) -> str:
    """Returns what the partial file's name has too."""
    return output.partition(".")[0].partition("%")[0]


def _row(making: _Making) -> Case:
    """Numbered pictures of which one is damaged, missing or of another kind."""
    pictures = {kind: item for kind, item in making.samples.pictures.items() if item[0] in {".jpg", ".png"}}
    kind, suffix, data, done = making.damaged(pictures)
    others = [other for other_suffix, other in pictures.values() if other_suffix == suffix]
    row = [making.dice.choice(others) for _ in range(4)] if making.dice.random() < 0.3 else [pictures[kind][1]] * 4
    files = {f"row_{index:03d}{suffix}": picture for index, picture in enumerate(row, 1)}
    bad = f"row_{making.dice.choice((1, 2, 3, 4)):03d}{suffix}"
    if making.dice.random() < 0.1:
        del files[bad]
        done = "one missing"
    else:
        files[bad] = data
    output, pattern = making.output(_VIDEO_SUFFIXES), f"row_%03d{suffix}"
    files[IDENTITY] = making.samples.identity
    argv = ("-i", pattern, "-o", output, *_PLAIN)
    return Case(making.seed, making.index, f"{kind} in a row", done, files, argv, output, (pattern, bad, _stem(output)))


def _folder(making: _Making) -> Case:
    """A folder with a good picture, a good video and a damaged file."""
    of = making.samples.videos if making.dice.random() < 0.5 else making.samples.pictures
    kind, suffix, data, done = making.damaged(of)
    name = f"in/damaged{suffix}"
    files = {
        IDENTITY: making.samples.identity,
        "in/good.png": making.samples.pictures["png"][1],
        "in/good.mkv": making.samples.videos["mkv"][1],
        name: data,
    }
    argv = ("-i", "in", "-o", "out", *_PLAIN)
    whole = ("out/good.png", "out/good.mkv")
    return Case(
        making.seed, making.index, f"{kind} in a folder", done, files, argv, "out", (name, "files failed"), whole,
        complaints=2,
    )  # fmt: skip


def _damaged_style(making: _Making) -> tuple[str, str, bytes, str]:
    kind = making.dice.choice(list(making.samples.styles))
    suffix, data = making.samples.styles[kind]
    if making.dice.random() < 0.3:
        data, done = damage(data, making.dice, suffix, [style for _, style in making.samples.styles.values()])
    else:
        done = making.dice.choice(list(STYLE_DAMAGE[suffix]))
        data = STYLE_DAMAGE[suffix][done](data, making.dice)
    return kind, suffix, data, done


def _style(making: _Making) -> Case:
    """A damaged style file that was asked for."""
    kind, suffix, data, done = _damaged_style(making)
    name = f"damaged{suffix}"
    files = {name: data, "clip.y4m": making.samples.videos["y4m"][1]}
    argv = ("-i", "clip.y4m", "-o", "painted.mkv", "--style", name, "--steady", "0")
    return Case(making.seed, making.index, f"style: {kind}", done, files, argv, "painted.mkv", (name, "painted"))


def _style_folder(making: _Making) -> Case:
    """A damaged style file that lies beside the one that was asked for."""
    kind, suffix, data, done = _damaged_style(making)
    folder = "mine" if suffix == ".onnx" or "net" in kind else "mine/fast"
    files = {
        f"{folder}/damaged{suffix}": data,
        "mine/fast/good.safetensors": making.samples.styles["safetensors"][1],
        "clip.y4m": making.samples.videos["y4m"][1],
    }
    argv = ("-i", "clip.y4m", "-o", "painted.mkv", "--styles", "mine", "--style", "good", "--steady", "0")
    return Case(
        making.seed, making.index, f"style folder: {kind}", done, files, argv, "painted.mkv", ("damaged",),
        must_pass=True,
    )  # fmt: skip


def _settings(making: _Making) -> Case:
    """A settings file of nonsense or a damaged one; the input is sound."""
    words, keys = nonsense(making.dice)
    data, done = words.encode(), f"{', '.join(keys)}: nonsense"
    if making.dice.random() < 0.2:
        data, damaged = damage(data, making.dice, ".toml")
        done = f"{done}, {damaged}"
    picture = making.dice.random() < 0.3
    name, data_of_input = "clip.mp4", making.samples.videos["mp4"][1]
    if picture:
        name, data_of_input = "picture.png", making.samples.pictures["png"][1]
    output = "painted.png" if picture else making.output({".mkv": 3, ".mp4": 3, ".gif": 1})
    files = {IDENTITY: making.samples.identity, "settings.toml": data, name: data_of_input}
    names_style = bool({"style", "mix", "playlist"} & set(keys))
    style = () if names_style else _PLAIN[:2]
    steady = () if "steady" in keys else _PLAIN[2:]
    argv = ("--config", "settings.toml", "-i", name, "-o", output, *style, *steady)
    named = ("settings.toml", "--", name, _stem(output), ".mkv", *keys, *(("no style",) if names_style else ()))
    return Case(making.seed, making.index, "settings", done, files, argv, output, named)


def _picture_style(making: _Making) -> Case:
    """A damaged picture as a style, alone or in a mix, or whose colors are wanted."""
    kind, suffix, data, done = making.damaged(making.samples.pictures)
    name = f"damaged{suffix}"
    files = {IDENTITY: making.samples.identity, name: data, "clip.y4m": making.samples.videos["y4m"][1]}
    style = making.dice.choice(
        (("--style", name), ("--mix", f"{name}:0.5,wave:0.5"), (*_PLAIN[:2], "--colors", name), ("--playlist", name))
    )
    argv = ("-i", "clip.y4m", "-o", "painted.mkv", "--net", "fast", "--steady", "0", "--frames", "2", *style)
    return Case(
        making.seed, making.index, f"picture style: {kind}", done, files, argv, "painted.mkv", (name, "painted")
    )


def _pack(making: _Making) -> Case:
    """A damaged pack of styles, which has the style that is asked for."""
    data, done = damage(making.samples.pack, making.dice, ".nstyle")
    files = {"mine.nstyle": data, "clip.y4m": making.samples.videos["y4m"][1]}
    argv = ("-i", "clip.y4m", "-o", "painted.mkv", "--steady", "0", "--frames", "2", "--styles", "mine.nstyle")
    named = ("mine.nstyle", "packed", "painted")
    style = ("--net", "fast", "--style", "packed")
    return Case(making.seed, making.index, "pack", done, files, (*argv, *style), "painted.mkv", named)


_MAKERS: Mapping[Callable[[_Making], Case], int] = {
    _video: 45,
    _picture: 20,
    _row: 7,
    _folder: 5,
    _style: 7,
    _style_folder: 5,
    _settings: 11,
}
# The word is one with which none of tests/fuzz/known.py's examples becomes another case.
_OTHERS, _OTHER_SHARE = "styles 5", 0.1
_OTHER_MAKERS: Sequence[Callable[[_Making], Case]] = (_picture_style, _picture_style, _pack)
