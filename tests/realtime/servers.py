"""Servers on this machine for the tests: nginx with its RTMP module to stream to, a TCP server to stream from, and
PulseAudio with a room in which something can be heard.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

MODULE = Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")
HOST = "127.0.0.1"
_PATIENCE_S = 30
_CONFIGURATION = """
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
load_module {module};
events {{ }}
rtmp {{
    server {{
        listen {host}:{port};
        application live {{
            live on;
            record all;
            record_path {folder};
            record_unique on;
            record_append off;
        }}
    }}
}}
"""


def no_nginx_reason() -> str | None:
    """Returns why nginx cannot serve RTMP here, None if it can."""
    if _nginx() is None or not MODULE.exists():
        return "nginx with its RTMP module is not installed; type: sudo apt-get install nginx libnginx-mod-rtmp"
    return None


def _nginx() -> str | None:
    return shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Returns an unused port."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


class RtmpServer:
    """nginx on this machine that records what it receives into `folder`, one FLV file per connection."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._log = folder / "error.log"
        self._process: subprocess.Popen[bytes] | None = None
        # started as root, it would read its files as the user nobody
        user = "user root;" if hasattr(os, "geteuid") and os.geteuid() == 0 else ""
        text = _CONFIGURATION.format(user=user, folder=folder, module=MODULE, host=HOST, port=self.port)
        (folder / "nginx.conf").write_text(text)

    @property
    def url(self) -> str:
        return f"rtmp://{HOST}:{self.port}/live/secret-key"

    def start(self) -> None:
        nginx = _nginx()
        assert nginx is not None
        command = [nginx, "-p", str(self.folder), "-c", str(self.folder / "nginx.conf")]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        deadline_s = time.monotonic() + _PATIENCE_S
        with socket.socket() as probe:
            while probe.connect_ex((HOST, self.port)) != 0:
                assert time.monotonic() < deadline_s, self._log.read_text()
                time.sleep(0.02)

    def kill(self) -> None:
        """Kills it, master and worker, as a power cut would."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
            self._log.write_text("")  # the connections of before are gone

    def _connections(self, event: str) -> set[str]:
        return set(re.findall(rf" \*(\d+) {event}", self._log.read_text()))

    def recordings(self) -> list[Path]:
        """Returns what was received, one file per connection, in order, once nothing more is coming."""
        deadline_s = time.monotonic() + _PATIENCE_S
        while self._connections("publish:") - self._connections("disconnect,"):
            assert time.monotonic() < deadline_s, self._log.read_text()
            time.sleep(0.02)
        return sorted(self.folder.glob("*.flv"), key=lambda path: path.stat().st_mtime_ns)


class TcpStream:
    """A server that sends a clip to everybody who connects, bit by bit; it can stall, be cut, and come back.

    A context manager; on leaving it is cut for good.
    """

    def __init__(self, clip: Path) -> None:
        self.port = free_port()
        self.url = f"tcp://{HOST}:{self.port}"
        self.flowing = threading.Event()
        self.flowing.set()
        self._clip = clip
        self._cut = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()

    def start(self, clip: Path | None = None) -> None:
        """Waits for connections, with another clip if one is given."""
        self._clip = clip or self._clip
        self._cut.clear()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(ready,))
        self._thread.start()
        assert ready.wait(_PATIENCE_S)

    def cut(self) -> None:
        """Breaks all connections; nobody can connect until the next start."""
        self._cut.set()
        if self._thread is not None:
            self._thread.join()

    def _serve(self, ready: threading.Event) -> None:
        data = self._clip.read_bytes()
        with socket.create_server((HOST, self.port)) as listener:
            listener.settimeout(0.05)
            ready.set()
            while not self._cut.is_set():
                with suppress(TimeoutError, OSError), listener.accept()[0] as player:
                    self._send(player, data)

    def _send(self, player: socket.socket, data: bytes) -> None:
        player.settimeout(0.2)
        # a player needs a second or so to find out what it is playing
        size = len(data) // 12
        for begin in range(0, len(data), size):
            player.sendall(data[begin : begin + size])
            if self._cut.wait(0.3):
                return
            while not self.flowing.is_set() and not self._cut.is_set():
                time.sleep(0.02)


def no_room_reason() -> str | None:
    """Returns why there can be no microphone here, None if there can."""
    if shutil.which("pulseaudio") is None or shutil.which("pacat") is None:
        return "PulseAudio is not installed; type: sudo apt-get install pulseaudio pulseaudio-utils libasound2-plugins"
    return None


class Room:
    """PulseAudio without a sound card: its microphone records what is played into it. A context manager."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._folder, self.address = folder, f"unix:{folder}/native"
        self._environment = {**os.environ, "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        command = ["pulseaudio", "-n", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm=yes"]
        command += ["-L", f"module-native-protocol-unix auth-anonymous=1 socket={self._folder}/native"]
        command += ["-L", "module-null-sink sink_name=room"]
        self._process = subprocess.Popen(command, env=self._environment, stderr=subprocess.DEVNULL)
        deadline_s = time.monotonic() + _PATIENCE_S
        while subprocess.run(["pactl", "-s", self.address, "info"], check=False, capture_output=True).returncode != 0:
            assert time.monotonic() < deadline_s
            time.sleep(0.05)

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            (self._folder / "native").unlink(missing_ok=True)

    def play(self, stereo: bytes, rate: int) -> Player:
        """Plays interleaved float32 stereo samples in real time."""
        command = ["pacat", "-s", self.address, "--device=room", "--raw", "--format=float32le", f"--rate={rate}"]
        program = subprocess.Popen([*command, "--latency-msec=20"], stdin=subprocess.PIPE, env=self._environment)
        return Player(program, stereo, rate)


class Player:
    """A sound that is played into a room, until it is left. A context manager."""

    _CHUNK_S = 0.02

    def __init__(self, program: subprocess.Popen[bytes], stereo: bytes, rate: int) -> None:
        self._program = program
        self._size = 8 * round(self._CHUNK_S * rate)
        self._chunks = [stereo[begin : begin + self._size] for begin in range(0, len(stereo), self._size)]
        self.played_s = [0.0] * len(self._chunks)
        """When each 20 ms of it was played."""
        self._thread = threading.Thread(target=self._pour)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._program.kill()
        self._program.wait()
        self._thread.join()

    def _pour(self) -> None:
        assert self._program.stdin is not None
        due_s = time.monotonic()
        with suppress(BrokenPipeError), self._program.stdin as pipe:
            for place, chunk in enumerate(self._chunks):
                pipe.write(chunk)
                pipe.flush()
                self.played_s[place] = now_s = time.monotonic()
                # a delay is not made up for, so nothing piles up on the way
                due_s = max(due_s + self._CHUNK_S, now_s)
                time.sleep(due_s - now_s)


class TlsFront:
    """A TLS proxy in front of an RTMP server, with its own certificate. A context manager."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = free_port()
        self._behind = port
        self._stop = threading.Event()
        certificate, key = folder / "certificate.pem", folder / "key.pem"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
        subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, stderr=subprocess.DEVNULL)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._listener = socket.create_server((HOST, self.port))
        self._listener.settimeout(0.1)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while not self._stop.is_set():
            with suppress(OSError):
                plain = self._listener.accept()[0]
                plain.settimeout(None)
                with self._context.wrap_socket(plain, server_side=True) as front:
                    self._relay(front)

    def _relay(self, front: ssl.SSLSocket) -> None:
        with socket.create_connection((HOST, self._behind)) as back:
            front.setblocking(False)
            back.settimeout(0.02)
            while not self._stop.is_set():
                with suppress(ssl.SSLWantReadError):
                    data = front.recv(65536)
                    if not data:
                        return
                    back.sendall(data)
                with suppress(TimeoutError):
                    answer = back.recv(65536)
                    if not answer:
                        return
                    front.setblocking(True)
                    front.sendall(answer)
                    front.setblocking(False)
