"""A camera of the network on this machine: an RTSP server that sends H.264 over RTP, by TCP, by UDP, or by either.

It loses packets when it is told to, and refuses the transports that it does not have.
"""

from __future__ import annotations

import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

from tests.realtime.servers import HOST, free_port

_SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=live\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track1\r\n"
)
_PATIENCE_S = 30


class RtspServer:
    """Sends a clip in real time, again and again, to one player at a time. A context manager.

    Args:
        clip: H.264 in MPEG-TS.
        transports: "tcp", "udp" or both: how it sends.

    `asked` lists the transports that players asked for. While `losing` is set, some packets do not arrive, until
    `lose_at_most` are lost.
    """

    def __init__(self, clip: Path, transports: tuple[str, ...] = ("tcp", "udp")) -> None:
        self._clip, self._transports = clip, transports
        self.port = free_port()
        self.url = f"rtsp://{HOST}:{self.port}/live"
        self.asked: list[str] = []
        self.losing = threading.Event()
        self.lost, self.lose_at_most = 0, 40
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._listener = socket.create_server((HOST, self.port))
        self._listener.settimeout(0.1)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while not self._leaving.is_set():
            with suppress(TimeoutError, OSError), self._listener.accept()[0] as player:
                player.settimeout(0.05)
                self._answer(player)

    def _answer(self, player: socket.socket) -> None:
        send: Callable[[bytes], object] | None = None
        pending = b""
        with ExitStack() as stack:
            while not self._leaving.is_set():
                with suppress(TimeoutError):
                    data = player.recv(65536)
                    if not data:
                        return
                    pending += data
                while b"\r\n\r\n" in pending:
                    request, _, pending = pending.partition(b"\r\n\r\n")
                    # what a player reports by interleaved RTCP stands before its requests
                    text = request[max(0, request.rfind(b"$") if request.startswith(b"$") else 0) :].decode("latin1")
                    method = text.split(" ", 1)[0]
                    fields = {key.lower(): value for key, value in re.findall(r"(?m)^([\w-]+): *(.*?)\r?$", text)}
                    if method == "SETUP":
                        send = self._set_up(player, fields, stack)
                        continue
                    body = _SDP if method == "DESCRIBE" else ""
                    self._reply(player, fields, "200 OK", {"Content-Base": f"{self.url}/"}, body)
                    if method == "PLAY" and send is not None:
                        self._play(send, stack)
                    if method == "TEARDOWN":
                        return

    def _set_up(
        self, player: socket.socket, fields: Mapping[str, str], stack: ExitStack
    ) -> Callable[[bytes], object] | None:
        """Answers how the stream is to be sent; returns what sends a packet of RTP, None if it was refused."""
        wanted = fields["transport"]
        kind = "tcp" if "TCP" in wanted else "udp"
        self.asked.append(kind)
        if kind not in self._transports:
            self._reply(player, fields, "461 Unsupported Transport", {})
            return None
        agreed = wanted.split(",")[0]
        ports = re.search(r"client_port=(\d+)", wanted)
        self._reply(player, fields, "200 OK", {"Transport": agreed + (";server_port=6000-6001" if ports else "")})
        if ports is None:
            return lambda packet: player.sendall(b"$\0" + len(packet).to_bytes(2, "big") + packet)
        out = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        return lambda packet: out.sendto(packet, (HOST, int(ports[1])))

    def _reply(
        self, player: socket.socket, fields: Mapping[str, str], status: str, more: Mapping[str, str], body: str = ""
    ) -> None:
        head = {"CSeq": fields["cseq"], "Session": "1", **more, "Content-Length": str(len(body))}
        kind = "Content-Type: application/sdp\r\n" if body else ""
        lines = "".join(f"{key}: {value}\r\n" for key, value in head.items())
        player.sendall(f"RTSP/1.0 {status}\r\n{lines}{kind}\r\n{body}".encode())

    def _play(self, send: Callable[[bytes], object], stack: ExitStack) -> None:
        inlet = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        inlet.bind((HOST, 0))
        inlet.settimeout(0.1)
        command = ["ffmpeg", "-v", "quiet", "-re", "-stream_loop", "-1", "-i", str(self._clip), "-c", "copy"]
        target = f"rtp://{HOST}:{inlet.getsockname()[1]}?pkt_size=400"
        camera = subprocess.Popen([*command, "-f", "rtp", target], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        stack.callback(camera.wait)
        stack.callback(camera.kill)
        left = threading.Event()
        relay = threading.Thread(target=self._relay, args=(inlet, send, left))
        stack.callback(relay.join)
        stack.callback(left.set)
        relay.start()

    def _relay(self, inlet: socket.socket, send: Callable[[bytes], object], left: threading.Event) -> None:
        count = 0
        while not left.is_set():
            with suppress(TimeoutError):
                packet = inlet.recv(2048)
                count += 1
                if self.losing.is_set() and count % 7 == 0:
                    self.lost += 1
                    if self.lost == self.lose_at_most:
                        self.losing.clear()
                    continue
                try:
                    send(packet)
                except OSError:  # the player is gone
                    return


def wait_until(condition: Callable[[], bool]) -> None:
    """Returns once a condition has come true."""
    deadline_s = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
