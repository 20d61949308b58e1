"""What comes through a pipe is read once, forward, and given to all who need it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import av
import pytest

from realtime.media.decoding import SourceError
from realtime.media.pipe import Pipe, PipeReader, is_piped
from realtime.sources.video_file import VideoFile
from tests.fuzz.command import command, environment_in, run
from tests.realtime.conftest import NstLive

pytestmark = [
    pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg, which makes the film, is missing"),
    pytest.mark.skipif(sys.platform == "win32", reason="pipes have no names here"),
]
FRAMES = 50


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A broadcast of 2 s with sound."""
    path = tmp_path_factory.mktemp("film") / "film.ts"
    inputs = "-f lavfi -i testsrc2=size=64x48:rate=25:duration=2 -f lavfi -i sine=440:duration=2"
    codecs = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac"
    subprocess.run(["ffmpeg", "-loglevel", "error", *inputs.split(), *codecs.split(), path], check=True)
    return path


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "pipe.ts"
    os.mkfifo(path)
    return path


@pytest.fixture
def fed(fifo: Path, film: Path) -> Iterator[Path]:
    """A pipe into which the film is written."""
    with subprocess.Popen(["sh", "-c", 'cat "$0" > "$1"', film, fifo]) as writer:
        yield fifo
        writer.kill()


@pytest.fixture
def environment(tmp_path: Path) -> Mapping[str, str]:
    return environment_in(tmp_path / "home")


def packets_of(path: Path, kind: str) -> list[bytes]:
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        return [bytes(packet) for packet in container.demux(stream) if packet.dts is not None]


def test_the_sound_of_a_pipe_is_that_of_the_file(
    film: Path, fed: Path, tmp_path: Path, identity: Path, nst_live: NstLive
) -> None:
    look = ("--style", identity, "--steady", 0)
    assert nst_live("-i", fed, "-o", "piped.mkv", *look).code == 0
    assert nst_live("-i", film, "-o", "read.mkv", *look).code == 0
    piped, read = tmp_path / "piped.mkv", tmp_path / "read.mkv"
    assert len(packets_of(piped, "video")) == FRAMES
    assert packets_of(piped, "audio") == packets_of(read, "audio")


def test_a_part_of_a_pipe_is_painted(fed: Path, tmp_path: Path, identity: Path, nst_live: NstLive) -> None:
    told = nst_live("-i", fed, "-o", "p.mkv", "--start", 0.4, "--end", 0.8, "--style", identity)
    assert told.code == 0, told.err
    assert len(packets_of(tmp_path / "p.mkv", "video")) == 10


def test_a_minus_alone_is_the_standard_input_too(
    film: Path, tmp_path: Path, identity: Path, environment: Mapping[str, str]
) -> None:
    arguments = ("-", "-o", "p.mkv", "--style", identity, "--steady", 0)
    answer = run(arguments, tmp_path, environment, stdin=film.read_bytes())
    assert answer.code == 0, answer.err
    assert len(packets_of(tmp_path / "p.mkv", "video")) == FRAMES


def test_a_file_as_standard_input_is_read_as_a_file(
    film: Path, tmp_path: Path, identity: Path, environment: Mapping[str, str]
) -> None:
    """Also one that has to be sought in."""
    subprocess.run(["ffmpeg", "-loglevel", "error", "-i", film, "-c", "copy", tmp_path / "film.mp4"], check=True)
    argv = command("-i", "-", "-o", "p.mkv", "--style", identity, "--steady", 0)
    with (tmp_path / "film.mp4").open("rb") as stdin:
        subprocess.run(argv, cwd=tmp_path, env=environment, stdin=stdin, check=True)
    assert len(packets_of(tmp_path / "p.mkv", "video")) == FRAMES


@pytest.mark.parametrize("data", [b"", b"not a video at all\n"], ids=["nothing", "text"])
def test_a_pipe_without_a_video_is_refused_in_one_line(
    data: bytes, tmp_path: Path, environment: Mapping[str, str]
) -> None:
    answer = run(("-i", "-", "-o", "p.mkv"), tmp_path, environment, stdin=data)
    assert answer.code == 3
    assert "the standard input" in answer.complaint
    assert "pipe" in answer.complaint


@pytest.mark.parametrize("option", ["--loop", "--resume"])
def test_what_reads_an_input_twice_does_not_go_with_a_pipe(option: str, fifo: Path, nst_live: NstLive) -> None:
    output = ("-o", "p.mkv") if option == "--resume" else ("--frames", "5")
    told = nst_live("-i", fifo, option, *output)
    assert told.code == 2
    assert f"{option} does not go with a pipe" in told.complaint


def wait_until_it_reads(pid: int) -> None:
    """Waits until a process has opened its standard input once more."""
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s:
        with suppress(FileNotFoundError):  # it has closed one meanwhile
            files = [link.readlink() for link in Path(f"/proc/{pid}/fd").iterdir()]
            if files.count(Path(f"/proc/{pid}/fd/0").readlink()) > 1:
                return
        time.sleep(0.1)
    pytest.fail("it does not read its standard input")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what a process has opened is seen as on Linux")
@pytest.mark.parametrize("begun", [False, True], ids=["before the first byte", "in the middle"])
def test_ctrl_c_ends_waiting_for_a_pipe(
    begun: bool, film: Path, tmp_path: Path, identity: Path, environment: Mapping[str, str]
) -> None:
    argv = command("-i", "-", "-o", "p.mkv", "--style", identity, "--steady", 0)
    pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(argv, cwd=tmp_path, env=environment, **pipes) as program:  # type: ignore[call-overload]
        assert program.stdin is not None
        assert program.stderr is not None
        if begun:
            program.stdin.write(film.read_bytes())
            program.stdin.flush()
            assert b"backend" in program.stderr.readline()
        else:
            wait_until_it_reads(program.pid)
        time.sleep(1)
        program.send_signal(signal.SIGINT)
        printed = program.stderr.read().decode()
        assert program.wait(30) == 130, printed
    assert printed.splitlines()[-1] == "nst-live: stopped"
    assert "Traceback" not in printed
    assert "Exception ignored" not in printed


def test_a_pipe_is_no_file(fifo: Path, film: Path) -> None:
    assert is_piped(fifo)
    assert not is_piped(film)
    assert not is_piped(film.parent)
    assert not is_piped(film.with_name("gone"))


def filled(fifo: Path, data: bytes) -> Pipe:
    def write() -> None:
        fifo.write_bytes(data)

    threading.Thread(target=write, daemon=True).start()
    return Pipe(fifo)


def rest_of(reader: PipeReader) -> bytes:
    return b"".join(iter(lambda: reader.read(50_000), b""))


def test_each_reader_gets_every_byte_and_what_all_have_read_is_let_go(fifo: Path) -> None:
    data = bytes(range(256)) * 40_000
    pipe = filled(fifo, data)
    first, second = pipe.reader(), pipe.reader()
    begin = first.read(1000)
    late = pipe.reader()
    pipe.seal()
    assert begin + rest_of(first) == data
    assert pipe.kept == len(data)
    for reader in (second, late):
        assert rest_of(reader) == data
    assert pipe.kept < 2**20
    with pytest.raises(OSError, match="has been read already"):
        pipe.reader()
    pipe.close()


def test_a_reader_that_nobody_holds_any_more_keeps_nothing(fifo: Path) -> None:
    pipe = filled(fifo, bytes(10**7))
    reader, other = pipe.reader(), pipe.reader()
    pipe.seal()
    del other
    assert len(rest_of(reader)) == 10**7
    assert pipe.kept < 2**20
    pipe.close()


def test_a_source_that_waits_for_its_pipe_can_be_stopped(fifo: Path, film: Path) -> None:
    held = []

    def write() -> None:
        held.append(os.open(fifo, os.O_WRONLY))  # left open: no end comes
        os.write(held[0], film.read_bytes())

    threading.Thread(target=write, daemon=True).start()
    source = VideoFile(fifo)
    threading.Timer(1, source.stop).start()
    assert len(list(source.frames())) > FRAMES - 5
    source.close()
    os.close(held[0])


def test_a_pipe_that_cannot_be_read_is_reported(fifo: Path) -> None:
    fifo.chmod(0)
    if os.geteuid() == 0:
        pytest.skip("the superuser reads everything")
    with pytest.raises(SourceError, match="Permission denied"):
        VideoFile(fifo)
