"""Settings: every option by file and by environment, in the right order, and what is wrong in one line."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from realtime.app.options.settings import read_settings, written_settings
from realtime.app.options.table import TABLE, options_from, values_of
from styles.support.errors import UsageError
from tests.realtime.conftest import NstLive


def settings(*argv: str, environment: Mapping[str, str] | None = None) -> Any:
    """Returns the values of all options by name, as attributes."""
    return SimpleNamespace(**values_of(read_settings(argv, environment or {}).options))


def printed(*argv: str, environment: Mapping[str, str] | None = None) -> list[str]:
    return list(written_settings(read_settings(argv, environment or {})))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(
        'style = "wave"\nfade = 2\nmirror = true\nsize = "320x240"\nfps = "29.97"\nvirtual-cam = true\n'
        'mix = "wave:0.6,udnie:0.4"\ninput = "film.mp4"\n'
    )
    return path


def test_without_any_settings_everything_is_at_its_default() -> None:
    assert vars(settings()) == values_of(options_from({})) == {name: each.default for name, each in TABLE.items()}


def test_a_file_sets_options_of_every_kind(file: Path) -> None:
    args = settings("--config", str(file))
    assert (args.style, args.fade, args.mirror, args.size) == ("wave", 2.0, True, (320, 240))
    assert args.fps == Fraction(30000, 1001)
    assert args.virtual_cam == ""
    assert args.mix == {"wave": 0.6, "udnie": 0.4}
    assert args.input == ("film.mp4",)


def test_the_environment_comes_before_the_file_and_the_command_line_before_both(file: Path) -> None:
    environment = {"NST_LIVE_CONFIG": str(file), "NST_LIVE_FADE": "1.5", "NST_LIVE_STYLE": "udnie"}
    args = settings("--style", "wreck", environment=environment)
    assert (args.style, args.fade, args.size) == ("wreck", 1.5, (320, 240))


def test_what_is_of_files_alone_waits_in_the_settings_for_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("max-size = 640\nresume = true\nstart = 2\n")
    inputs = (["--camera", "0"], ["-i", "film.mp4", "-o", "painted.mp4"])
    camera, film = (settings("--config", str(file), *more) for more in inputs)
    assert (camera.max_size, camera.resume, camera.start) == (None, False, None)
    assert (film.max_size, film.resume, film.start) == (640, True, 2)
    assert settings("--config", str(file), "--print-config").max_size == 640
    assert not settings("--config", str(file), "-i", "film.mp4").resume, "nothing is written that could be resumed"
    # what is typed is refused later
    assert settings("--config", str(file), "--camera", "0", "--max-size", "500").max_size == 500


def test_a_loop_waits_in_the_settings_while_a_file_is_written(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("loop = true\n")
    film = ("--config", str(file), "-i", "film.mp4")
    assert settings(*film).loop
    assert not settings(*film, "--no-loop").loop
    assert not settings(*film, "-o", "painted.mp4").loop
    assert settings(*film, "-o", "painted.mp4", "--loop").loop
    assert not settings("--config", str(file), "--camera", "0").loop


def test_the_key_of_a_stream_is_not_printed() -> None:
    lines = printed("--stream", "rtmp://host/app/secret")
    assert "# stream is set and not printed, since it holds a key  # command line" in lines
    assert "secret" not in "".join(lines)


def test_the_password_of_a_camera_in_the_network_is_not_printed() -> None:
    lines = printed("-i", "rtsp://me:secret@192.168.1.7/live")
    assert "# input is set and not printed, since it may hold a password or a key  # command line" in lines
    assert "secret" not in "".join(lines)
    assert 'input = ["rtsp://192.168.1.7:554"]  # command line' in printed("-i", "rtsp://192.168.1.7:554")


def test_the_environment_can_switch_off_what_the_file_switches_on(file: Path) -> None:
    assert not settings("--config", str(file), environment={"NST_LIVE_MIRROR": "no"}).mirror


def test_the_command_line_can_switch_off_what_the_settings_switch_on(file: Path) -> None:
    environment = {"NST_LIVE_NO_WINDOW": "1", "NST_LIVE_KEEP_COLORS": "1", "NST_LIVE_FULLSCREEN": "1"}
    set_to = settings("--config", str(file), environment=environment)
    assert (set_to.mirror, set_to.no_window, set_to.keep_colors, set_to.fullscreen) == (True,) * 4
    words = ("--no-mirror", "--window", "--no-keep-colors", "--no-fullscreen")
    undone = settings("--config", str(file), *words, environment=environment)
    assert (undone.mirror, undone.no_window, undone.keep_colors, undone.fullscreen) == (False,) * 4


def test_an_option_typed_puts_aside_what_excludes_it_in_the_file(file: Path) -> None:
    args = settings("--config", str(file), "--camera", "1")
    assert (args.camera, args.input) == ("1", ())
    args = settings("--config", str(file), "--max-size", "500")
    assert (args.max_size, args.size) == (500, None)


@pytest.mark.parametrize(
    ("words", "painted"),
    [
        (("--style", "scream"), ("scream", None, None)),
        (("--playlist", "all"), ("wreck", None, (("all", 20.0),))),
        ((), ("wave", {"wave": 0.6, "udnie": 0.4}, None)),
    ],
)
def test_who_types_a_style_wants_no_mix_from_the_file(
    words: tuple[str, ...], painted: tuple[object, ...], file: Path
) -> None:
    args = settings("--config", str(file), *words)
    assert (args.style, args.mix, args.playlist) == painted


def test_the_file_in_the_settings_folder_is_read_by_itself(tmp_path: Path) -> None:
    (tmp_path / "no settings").mkdir()
    (tmp_path / "no settings" / "config.toml").write_text('hud = "minimal"')
    assert settings().hud == "minimal"
    assert settings("--hud", "off").hud == "off"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("style = ", "is not valid TOML"),
        ('stlye = "wave"', "sets 'stlye', which is not a setting; did you mean style?"),
        ("fade = -1", "fade in .*mine.toml: .* is not a number of at least 0"),
        ('size = "big"', "'big' is not a size; expected WxH"),
        ('hud = "tiny"', "expected one of full, minimal, off"),
        ("mirror = 3", "expected true or false"),
        ("style = true", "expected NAME|FILE"),
        ('camera = "0"\ninput = "x.mp4"', "camera and input exclude one another"),
        ("help = true", "not a setting"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_in_one_line(
    content: str, words: str, tmp_path: Path, nst_live: NstLive
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(content)
    answer = nst_live("--config", path, "-i", "test", "--frames", "1")
    assert answer.code == 2
    with pytest.raises(UsageError, match=words.replace("|", r"\|").replace("(", r"\(")):
        settings("--config", str(path))
    assert len(answer.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("variable", "text", "words"),
    [
        ("NST_LIVE_STLYE", "wave", "did you mean STYLE"),
        ("NST_LIVE_FRAMES", "many", r"\$NST_LIVE_FRAMES: 'many' is not a whole number of at least 1"),
        ("NST_LIVE_MIRROR", "maybe", "expected true or false"),
    ],
)
def test_what_is_wrong_in_the_environment_is_said_with_its_name(variable: str, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        settings(environment={variable: text})


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no settings file .*gone.toml; .* --print-config"):
        settings("--config", str(tmp_path / "gone.toml"))


def test_what_is_printed_is_a_settings_file_that_says_the_same(file: Path, tmp_path: Path) -> None:
    argv = ("--config", str(file), "--scale", "1/3", "--captures", "/tmp/x", "--start", "1:30.5")
    lines = printed(*argv, environment={"NST_LIVE_REPLAY": "30"})
    copy = tmp_path / "copy.toml"
    copy.write_text("\n".join(lines))
    first, again = (vars(settings(*words)) for words in (argv, ("--config", str(copy))))
    assert again.pop("replay") == 30
    for different in ("replay", "config"):
        first.pop(different)
    again.pop("config")
    assert again == first


def test_where_a_setting_comes_from_is_printed(file: Path) -> None:
    lines = printed("--config", str(file), "--hud", "off", environment={"NST_LIVE_FADE": "1"})
    assert f'style = "wave"  # {file}' in lines
    assert 'hud = "off"  # command line' in lines
    assert "fade = 1.0  # $NST_LIVE_FADE" in lines
    assert "strength = 1.0  # default" in lines


def test_the_command_prints_its_settings_and_does_nothing_else(nst_live: NstLive) -> None:
    answer = nst_live("--print-config", "--style", "wave")
    assert answer.code == 0
    assert tomllib.loads(answer.out)["style"] == "wave"
    assert answer.err == ""


def test_a_show_is_played_by_the_settings(tmp_path: Path, identity: Path, nst_live: NstLive) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'input = "test"\nframes = 3\nsize = "64x48"\nstyle = "{identity}"\noutput = "painted.mkv"\n')
    answer = nst_live("--config", path)
    assert answer.code == 0, answer.err
    assert (tmp_path / "painted.mkv").exists()


def test_who_has_read_enough_ends_the_listing_quietly() -> None:
    command = [sys.executable, "-u", "-m", "realtime.app.main", "--print-config"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0
