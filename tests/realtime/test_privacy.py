"""No command opens a connection that nobody asked for, and none writes outside the folders that it names.

Each command runs for a user who is new, without a network, and with two witnesses inside it: an audit hook in Python
and a library in front of libc. What they see, they write down, whether or not it would have worked.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.fuzz.command import ROOT, Answer, environment_in, run
from tests.realtime.clips import write_clip

# Written down by both witnesses: what was done, a space, with what.
_NOTES = "NST_WITNESS_NOTES"
_IN_PYTHON = """
import os
import sys

_notes = os.open(os.environ["NST_WITNESS_NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)


def _note(what, of):
    os.write(_notes, f"{what} {of!r}\\n".encode("utf-8", "replace"))


def _witness(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        if not isinstance(arguments[1], (str, bytes)):
            _note("connect", arguments[1])
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        _note("lookup", arguments[0])
    elif event == "import" and arguments[0] in ("openvino", "onnxruntime", "torch"):
        _note("import", arguments[0])


sys.addaudithook(_witness)
"""
_IN_C = r"""
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NEXT(name) static __typeof__(name) *next; if (!next) next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static void note(const char *what, const char *of) {
    char line[PATH_MAX + 64];
    const char *path = getenv("NST_WITNESS_NOTES");
    int length = snprintf(line, sizeof line, "%s '%s'\n", what, of ? of : "");
    int file = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT, 0666) : -1;
    if (file >= 0) {
        syscall(SYS_write, file, line, length < (int)sizeof line ? length : (int)sizeof line - 1);
        syscall(SYS_close, file);
    }
}

static void note_address(const struct sockaddr *address) {
    char text[INET6_ADDRSTRLEN + 8];
    if (address && address->sa_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)address;
        inet_ntop(AF_INET, &four->sin_addr, text, sizeof text);
        note("connect", text);
    } else if (address && address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
        inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof text);
        note("connect", text);
    }
}

static void note_write(int folder, const char *path) {
    char whole[2 * PATH_MAX], link[64];
    if (!path) return;
    if (path[0] == '/') { note("write", path); return; }
    if (folder == AT_FDCWD) snprintf(link, sizeof link, "/proc/self/cwd");
    else snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    ssize_t length = readlink(link, whole, PATH_MAX);
    if (length < 0) length = 0;
    snprintf(whole + length, sizeof whole - length, "/%s", path);
    note("write", whole);
}

int connect(int fd, const struct sockaddr *address, socklen_t size) {
    NEXT(connect); note_address(address); return next(fd, address, size);
}
ssize_t sendto(int fd, const void *data, size_t length, int flags, const struct sockaddr *address, socklen_t size) {
    NEXT(sendto); note_address(address); return next(fd, data, length, flags, address, size);
}
ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    NEXT(sendmsg); note_address(message ? message->msg_name : 0); return next(fd, message, flags);
}
int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **found) {
    NEXT(getaddrinfo); if (host) note("lookup", host); return next(host, port, hints, found);
}
struct hostent *gethostbyname(const char *host) {
    NEXT(gethostbyname); note("lookup", host); return next(host);
}

#define OPENS(flags) ((flags) & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC))
#define MODE(flags) va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more)

int open(const char *path, int flags, ...) {
    MODE(flags); NEXT(open); if (OPENS(flags)) note_write(AT_FDCWD, path); return next(path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    MODE(flags); NEXT(open64); if (OPENS(flags)) note_write(AT_FDCWD, path); return next(path, flags, mode);
}
int openat(int folder, const char *path, int flags, ...) {
    MODE(flags); NEXT(openat); if (OPENS(flags)) note_write(folder, path); return next(folder, path, flags, mode);
}
int openat64(int folder, const char *path, int flags, ...) {
    MODE(flags); NEXT(openat64); if (OPENS(flags)) note_write(folder, path); return next(folder, path, flags, mode);
}
int creat(const char *path, mode_t mode) { NEXT(creat); note_write(AT_FDCWD, path); return next(path, mode); }
FILE *fopen(const char *path, const char *mode) {
    NEXT(fopen); if (strpbrk(mode, "wa+")) note_write(AT_FDCWD, path); return next(path, mode);
}
FILE *fopen64(const char *path, const char *mode) {
    NEXT(fopen64); if (strpbrk(mode, "wa+")) note_write(AT_FDCWD, path); return next(path, mode);
}
int mkdir(const char *path, mode_t mode) { NEXT(mkdir); note_write(AT_FDCWD, path); return next(path, mode); }
int mkdirat(int folder, const char *path, mode_t mode) {
    NEXT(mkdirat); note_write(folder, path); return next(folder, path, mode);
}
int rename(const char *old, const char *path) {
    NEXT(rename); note_write(AT_FDCWD, path); return next(old, path);
}
"""
_LOOPBACK = ("127.", "::1", "localhost", "0.0.0.0", "::ffff:127.")
# Where everybody writes and nothing stays: devices, what the kernel says of the process itself.
_NOWHERE = ("/dev/", "/proc/")
_WITHOUT_NETWORK: Sequence[Sequence[str]] = (("unshare", "--net"), ("unshare", "--map-root-user", "--net"))


@dataclass(frozen=True)
class Command:
    """A command and what it may leave behind in the folder that it runs in.

    Args:
        arguments: the command's own.
        leaves: the new files where it ran.
        loads: what it must have imported for the test to show something, "" when nothing.
        at_home: the new files and folders at home, for which another program answers.
        elsewhere: where else it may write, as it begins; nothing of it may be left.
        asks_for_routes: addresses to which it opens a UDP socket and sends nothing, only to learn its own, and the
            machine's own name.
        over_loopback: whether its processes talk with one another over the network of this machine.
    """

    arguments: Sequence[object]
    leaves: Sequence[str] = ()
    loads: str = "openvino"
    at_home: Sequence[str] = ()
    elsewhere: Sequence[str] = ()
    over_loopback: bool = False
    asks_for_routes: Sequence[str] = ()


_SMALL = ("--size", "64x48", "--frames", 5)
COMMANDS: Mapping[str, Command] = {
    "scene": Command(("-i", "test", *_SMALL, "-o", "painted.mp4"), ["painted.mp4"]),
    "scene in a window": Command(("-i", "test", *_SMALL)),
    "file": Command(("-i", "clip.mp4", "-o", "painted.mkv", "--style", "wave"), ["painted.mkv"]),
    "file, resumed": Command(("-i", "clip.mp4", "-o", "painted.mkv", "--resume"), ["painted.mkv"]),
    "file with ONNX Runtime": Command(
        ("-i", "clip.mp4", "-o", "painted.mp4", "--backend", "onnxruntime"), ["painted.mp4"], loads="onnxruntime"
    ),
    "file with PyTorch": Command(
        ("-i", "clip.mp4", "-o", "painted.mp4", "--backend", "pytorch"), ["painted.mp4"], loads="torch"
    ),
    "photo": Command(("-i", "photo.png", "-o", "painted.jpg"), ["painted.jpg"]),
    "folder": Command(("-i", "in", "-o", "out"), ["out", "out/photo.png"]),
    # sockets have short names, so its folder is in /tmp where the one for temporary files is too deep
    "folder on Ray": Command(
        ("-i", "in", "-o", "out", "--ray"),
        ["out", "out/photo.png"],
        "",
        elsewhere=["/tmp/nst-ray-"],
        over_loopback=True,
        asks_for_routes=["8.8.8.8", "2001:4860:4860::8888", socket.gethostname()],
    ),
    "gallery": Command(("gallery", "photo.png", "-o", "sheet.png", "--width", 64), ["sheet.png"]),
    "bench": Command(("bench", "--size", "64x48", "--rounds", 1, "--seconds", 0.2)),
    # it reports its use once it has run for some seconds
    "bench of ONNX Runtime": Command(
        ("bench", "--size", "64x48", "--backend", "onnxruntime", "--rounds", 1, "--seconds", 5), loads="onnxruntime"
    ),
    "doctor": Command(("doctor",)),
    "list-styles": Command(("--list-styles",), loads=""),
    "list-cameras": Command(("--list-cameras",), loads=""),
    # PulseAudio's library makes a folder for its socket
    "list-microphones": Command(("--list-microphones",), loads="", at_home=["run/pulse"]),
    "list-backends": Command(("--list-backends",), loads=""),
    "print-config": Command(("--print-config",), loads=""),
    "version": Command(("--version",), loads=""),
}


_MARKS = {"bench": pytest.mark.long, "bench of ONNX Runtime": pytest.mark.long, "folder on Ray": pytest.mark.long}


@dataclass(frozen=True)
class Seen:
    """What became of a command, what the witnesses noted, and which files are new where it ran and at home.

    top: the folder with all that the command was given: `here`, where it ran, and `home`.
    """

    name: str
    top: Path
    answer: Answer
    notes: Sequence[tuple[str, str]]
    left: Sequence[str]
    at_home: Sequence[str]

    def noted(self, what: str) -> list[str]:
        return [of for noted, of in self.notes if noted == what]

    @property
    def reached(self) -> list[str]:
        """Every address and name beyond this machine."""
        there = [*self.noted("connect"), *self.noted("lookup")]
        if self.name:
            asked = COMMANDS[self.name].asks_for_routes
            there = [address for address in there if not any(each in address for each in asked)]
        return [address for address in there if not address.strip("('b").startswith(_LOOPBACK)]

    @property
    def written_elsewhere(self) -> list[str]:
        """Every file opened for writing beyond the command's own folder and the one for temporary files."""
        allowed = [*_NOWHERE, f"{self.top}/here/", f"{self.top}/home/tmp/", f"{self.top}/notes"]
        if self.name:
            allowed += [f"{self.top}/home/{path}" for path in COMMANDS[self.name].at_home]
            allowed += COMMANDS[self.name].elsewhere
        return [path for path in self.noted("write") if not os.path.normpath(path).startswith(tuple(allowed))]


@pytest.fixture(scope="session")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The variables that put both witnesses into a program."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler for the witness in front of libc; type: sudo apt-get install gcc")
    folder = tmp_path_factory.mktemp("witness")
    (folder / "sitecustomize.py").write_text(_IN_PYTHON)
    (folder / "witness.c").write_text(_IN_C)
    library = folder / "witness.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-w", "-o", library, folder / "witness.c", "-ldl"], check=True)
    return {"PYTHONPATH": f"{folder}:{ROOT}", "LD_PRELOAD": str(library), "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture(scope="session")
def without_network() -> Sequence[str]:
    """The program that runs another one where there is no network, not even this machine's own."""
    for words in _WITHOUT_NETWORK:
        if (
            shutil.which(words[0])
            and subprocess.run([*words, "true"], check=False, capture_output=True).returncode == 0
        ):
            return words
    pytest.skip("no network namespaces here (unshare --net)")


# Where there is no network, a program that needs the machine's own makes it.
_LOOPBACK_ALONE = ("sh", "-c", 'ip link set lo up && exec "$@"', "sh")


@pytest.fixture(scope="module", params=[pytest.param(name, marks=_MARKS.get(name, ())) for name in COMMANDS])
def seen(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    witness: Mapping[str, str],
    without_network: Sequence[str],
) -> Seen:
    """What the witnesses saw of each command, which runs once."""
    name: str = request.param
    top = tmp_path_factory.mktemp("privacy")
    folder, home, notes = top / "here", top / "home", top / "notes"
    (folder / "in").mkdir(parents=True)
    write_clip(folder / "clip.mp4", 6)
    for photo in ("photo.png", "in/photo.png"):
        Image.fromarray(np.full((48, 64, 3), 90, np.uint8)).save(folder / photo)
    variables = {**environment_in(home), **witness, _NOTES: str(notes)}
    if "window" in name:
        variables["DISPLAY"] = request.getfixturevalue("screen")
    before, before_at_home = _paths(folder), _paths(home)
    before_it = (*without_network, *(_LOOPBACK_ALONE if COMMANDS[name].over_loopback else ()))
    answer = run(COMMANDS[name].arguments, folder, variables, before=before_it)
    left, at_home = sorted(_paths(folder) - before), sorted(_paths(home) - before_at_home)
    return Seen(name, top, answer, _read(notes), left, at_home)


def _paths(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def _read(notes: Path) -> list[tuple[str, str]]:
    lines = notes.read_text(errors="replace").splitlines() if notes.exists() else []
    pairs = [line.partition(" ") for line in lines]
    return [(what, of.strip("'")) for what, _, of in pairs]


def test_no_connection_that_nobody_asked_for(seen: Seen) -> None:
    assert seen.answer.code == 0, seen.answer.err
    assert {COMMANDS[seen.name].loads} <= {"", *seen.noted("import")}
    assert seen.reached == []


def test_nothing_is_written_elsewhere(seen: Seen) -> None:
    assert seen.answer.code == 0, seen.answer.err
    assert seen.left == sorted(COMMANDS[seen.name].leaves)
    assert set(seen.at_home) <= set(COMMANDS[seen.name].at_home)
    assert seen.written_elsewhere == []
    left = [path for start in COMMANDS[seen.name].elsewhere for path in Path("/").glob(f"{start.lstrip('/')}*")]
    assert left == []


def test_the_witnesses_see_what_there_is_to_see(
    tmp_path: Path, witness: Mapping[str, str], without_network: Sequence[str]
) -> None:
    """Else everything above would hold of anything."""
    notes = tmp_path / "notes"
    variables = {**environment_in(tmp_path / "home"), **witness, _NOTES: str(notes)}
    program = """
import ctypes, socket, subprocess, sys
from contextlib import suppress
with suppress(OSError), socket.socket() as connection:
    connection.connect(("192.0.2.1", 80))
with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
    connection.sendto(b"x", ("192.0.2.2", 53))
libc = ctypes.CDLL(None)
libc.getaddrinfo(b"example.invalid", None, None, ctypes.byref(ctypes.c_void_p()))
open("/tmp/../tmp/nst-live-witness", "w").close()
libc.fopen.restype = ctypes.c_void_p
libc.fopen(b"elsewhere", b"w")
"""
    words = [*without_network, shutil.which("python3") or "python3", "-c", program]
    subprocess.run(words, env=variables, cwd=tmp_path, check=True)
    Path("/tmp/nst-live-witness").unlink()
    seen = Seen("", tmp_path, Answer(0, b"", ""), _read(notes), [], [])
    assert any("192.0.2.1" in address for address in seen.reached)
    assert any("192.0.2.2" in address for address in seen.reached)
    assert "example.invalid" in seen.reached
    assert any("nst-live-witness" in path for path in seen.noted("write"))
    assert f"{tmp_path}/elsewhere" in seen.noted("write")
