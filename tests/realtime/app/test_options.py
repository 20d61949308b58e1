"""The table of options: each of them can be typed, set by file and environment, and is described."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from realtime.app.jobs import use_of
from realtime.app.options.rules import check_options
from realtime.app.options.settings import read_settings, written_settings
from realtime.app.options.table import HEADINGS, SECTIONS, TABLE, LiveOption, Options, Use, live_parser, values_of
from realtime.session import KEYS
from styles.support.errors import UsageError
from styles.support.options import Kind
from tests.realtime.conftest import NstLive

SETTINGS = [each for each in TABLE.values() if not each.once]
# A value for each way to read one.
WORDS = (
    "640x480",
    "0.5",
    "25",
    "1:30",
    "wave:0.6,udnie:0.4",
    "7",
    "192.168.1.7:6379",
    "somewhere",
    "a-token-of-my-own",
    "stun:here",
)


def word_for(each: LiveOption) -> str:
    """Returns a word that the option understands and that is not its default."""
    if each.choices:
        return str(each.choices[-1])
    for word in WORDS:
        try:
            if each.read(word) != each.default:
                return word
        except (ArgumentTypeError, ValueError):
            continue
    raise AssertionError(f"no word for {each.flag}")


def value_of(name: str, *argv: str, environment: dict[str, str] | None = None) -> object:
    # with --print-config nothing waits for a fitting input
    return values_of(read_settings(["--print-config", *argv], environment or {}).options)[name]


def written(each: LiveOption) -> tuple[object, str, str]:
    """Returns a value that is not the default, and how a settings file and the environment write it."""
    if each.is_bare:
        switched = each.default is not True
        return switched, str(switched).lower(), str(switched).lower()
    word = word_for(each)
    return (word,) if each.kind is Kind.VALUES else each.read(word), f'"{word}"', word


@pytest.mark.parametrize("each", SETTINGS, ids=lambda each: each.name)
def test_every_setting_can_be_set_by_file_and_by_environment(each: LiveOption, tmp_path: Path) -> None:
    value, toml, text = written(each)
    file = tmp_path / "mine.toml"
    file.write_text(f"{each.key} = {toml}\n")
    assert value_of(each.name, "--config", str(file)) == value
    assert value_of(each.name, environment={f"NST_LIVE_{each.name.upper()}": text}) == value


@pytest.mark.parametrize("each", SETTINGS, ids=lambda each: each.name)
def test_every_setting_can_be_typed(each: LiveOption) -> None:
    if each.is_bare:
        assert value_of(each.name, each.flag) is True
        for flag in each.flags[-1:] if each.kind is Kind.SWITCH else ():
            assert value_of(each.name, flag) is False
        return
    word = word_for(each)
    value = (word,) if each.kind is Kind.VALUES else each.read(word)
    for flag in each.flags:
        assert value_of(each.name, flag, word) == value


def test_what_is_done_once_is_no_setting(tmp_path: Path) -> None:
    once = [each for each in TABLE.values() if each.once]
    assert {"config", "print_config", "debug", "version"} < {each.name for each in once}
    for each in once:
        file = tmp_path / "mine.toml"
        file.write_text(f"{each.key} = true\n")
        with pytest.raises(UsageError, match="which is not a setting"):
            read_settings(["--config", str(file)], {})


@pytest.mark.parametrize(
    ("argv", "secret"),
    [
        (("--stream", "rtmp://host/app/s3cret"), "s3cret"),
        (("-i", "rtsp://me:s3cret@192.168.1.7/live"), "s3cret"),
        (("-i", "a.mp4", "http://me:s3cret@host/b.mp4"), "s3cret"),
    ],
)
def test_no_secret_is_printed(argv: tuple[str, ...], secret: str, nst_live: NstLive) -> None:
    lines = "\n".join(written_settings(read_settings(["--print-config", *argv], {})))
    assert secret not in lines
    assert "is set and not printed, since it " in lines
    answer = nst_live("--print-config", *argv)
    assert secret not in answer.out + answer.err


def test_every_option_that_can_hold_a_secret_says_so() -> None:
    assert [each.name for each in SETTINGS if each.secret(("rtmp://me:s3cret@host/key",))] == [
        "input",
        "stream",
        "control_token",
    ]


def test_every_setting_is_printed(nst_live: NstLive) -> None:
    options, hotkeys = nst_live("--print-config").out.split("\n\n[keys]\n")
    assert len(hotkeys.splitlines()) == len(KEYS)
    keys = {line.removeprefix("# ").split()[0] for line in options.splitlines()[1:]}
    assert keys == {each.key for each in SETTINGS}


def test_the_help_has_every_option_with_its_meaning(nst_live: NstLive) -> None:
    shown = " ".join(nst_live("--help").out.split())
    for each in TABLE.values():
        for flag in each.flags:
            assert re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", shown), flag
        help_text = " ".join(each.help_text.split())
        # lines are broken at hyphens
        assert help_text in shown or help_text in shown.replace("- ", "-"), each.flag
    for heading in HEADINGS.values():
        assert f" {heading}: " in shown


def test_every_option_is_explained_in_one_line_without_a_full_stop() -> None:
    for each in TABLE.values():
        assert each.help, each.flag
        assert not each.help.endswith("."), each.flag
        assert "\n" not in each.help, each.flag


def test_the_rules_of_the_table_name_options_that_exist() -> None:
    for each in TABLE.values():
        assert {*each.needs, *(each.not_with or {})} <= TABLE.keys()
        assert each.uses, each.flag
        # what cannot be used everywhere and is not refused elsewhere is ignored there, so it needs no rule
        assert not each.refused or each.uses != set(Use), each.flag


def test_the_options_are_frozen_and_have_their_sections() -> None:
    options = Options()
    with pytest.raises(FrozenInstanceError):
        options.look.style = "wave"  # type: ignore[misc]
    assert [each.name for each in fields(Options)] == list(SECTIONS) == list(HEADINGS)
    assert values_of(options) == {name: each.default for name, each in TABLE.items()}
    names = [each.name for kind in SECTIONS.values() for each in fields(kind) if each.name != "keys"]
    assert len(names) == len(set(names)) == len(TABLE), "every field is an option, and no two have one name"


def test_what_decides_how_a_file_is_painted_is_what_a_resumed_job_compares() -> None:
    assert {each.name for each in TABLE.values() if each.changes_pixels} == {
        *("style", "mix", "playlist", "fade", "strength", "keep_colors", "steady", "mirror"),
        *("colors", "brush", "style_zoom", "react"),
        *("size", "max_size", "scale", "start", "end", "fps", "frames", "encoder", "crf", "preset"),
    }


# what goes together ---------------------------------------------------------------------------------------------------


def refusal(*argv: str) -> str:
    options = read_settings(argv, {}).options
    try:
        check_options(options, use_of(options.source.input, options.output.output))
    except UsageError as exc:
        return str(exc)
    return ""


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ((), ""),
        (("--camera", "0", "--fps", "25", "--frames", "5"), ""),
        (("-i", "film.mp4", "-o", "out.mp4", "--resume", "--start", "1", "--end", "2", "--scale", "1/2"), ""),
        (("--start", "5"), "--start is for files; expected -i FILE"),
        (("-i", "rtsp://host/live", "--max-size", "640"), "--max-size is for files; expected -i FILE"),
        (("-i", "test", "--loop"), "--loop is for files; expected -i FILE"),
        (("-i", "test", "--no-loop"), ""),
        (("-i", "film.mp4", "--start", "5", "--end", "5"), "--end is not after --start"),
        (("-i", "film.mp4", "--resume"), "--resume needs --output"),
        (
            ("-i", "film.mp4", "-o", "a.mp4", "--resume", "--target-fps", "25"),
            "--resume does not go with --target-fps: ",
        ),
        (("-i", "film.mp4", "-o", "a.mp4", "--resume", "--target-fps", "0"), ""),
        (("-i", "film.mp4", "-o", "a.mp4", "--resume", "--virtual-cam"), "--resume does not go with --virtual-cam: "),
        (("-i", "film.mp4", "-o", "a.mp4", "--loop"), "--loop does not go with --output: "),
        (("-i", "a.mp4", "b.mp4", "-o", "out", "--loop"), "--loop takes one input, not several files"),
        (("-i", "a.mp4", "b.mp4", "-o", "out", "--stream", "udp://h:1"), "--stream takes one input"),
        (("-i", "a.mp4", "b.mp4", "-o", "out", "--start", "1"), ""),
    ],
)
def test_what_does_not_go_together_is_refused(argv: tuple[str, ...], words: str) -> None:
    assert refusal(*argv).startswith(words)
    assert bool(refusal(*argv)) == bool(words)


@pytest.mark.parametrize("typed", ["--start=1", "--end=2", "--fps=25", "--frames=3", "--loop", "--stream=udp://h:1"])
def test_what_is_for_video_is_refused_for_a_picture(typed: str, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.touch()
    assert refusal("-i", str(photo), "-o", "painted.png", typed).endswith("is for video, not for a photograph")


def test_settings_that_do_not_fit_the_input_wait(tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.touch()
    file = tmp_path / "mine.toml"
    file.write_text('stream = "udp://host:1"\nfps = 25\nloop = true\nmax-size = 640\n')
    values = values_of(read_settings(["--config", str(file), "-i", str(photo), "-o", "painted.png"], {}).options)
    assert (values["stream"], values["fps"], values["loop"], values["max_size"]) == (None, None, False, 640)
    values = values_of(read_settings(["--config", str(file), "-i", "film.mp4"], {}).options)
    assert (values["stream"], values["fps"], values["loop"]) == ("udp://host:1", 25, True)


def test_the_parser_knows_every_option() -> None:
    assert live_parser().typed(["--mirror", "-i", "a", "b"]) == {"mirror": True, "input": ("a", "b")}
