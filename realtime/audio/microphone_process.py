"""The recording half of a microphone: PortAudio, in a process of its own.

Where a sound card is unplugged, some systems leave PortAudio in an endless loop that fills the terminal; and only a new
process sees a card that was plugged in later.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from multiprocessing.connection import Connection
from typing import Any

import av
import numpy as np

from realtime.audio.feed import RATE, AudioChunk, AudioDecoder

_INSTALL = "type: pip install 'nst-live[microphone]' (on Linux also: sudo apt install libportaudio2)"
# What a system says of its own delay is believed up to here.
_MAX_DELAY_S = 1.0


@dataclass(frozen=True)
class MicrophoneDevice:
    """A device that records, as PortAudio knows it."""

    index: int
    name: str
    channels: int
    rate: int

    def __str__(self) -> str:
        return f"{self.index} ({self.name})"


@dataclass(frozen=True)
class Opened:
    """The first answer: pieces follow from now on."""

    name: str


@dataclass(frozen=True)
class NotOpened:
    """The only answer: why nothing is heard."""

    reason: str


@dataclass(frozen=True)
class Found:
    """The answer to who asks for a list."""

    devices: Sequence[MicrophoneDevice]


def look(pipe: Connection) -> None:
    """Answers once: which devices record here; what a process of its own runs."""
    _silence()
    try:
        answer: Found | NotOpened = Found(_devices(_portaudio()))
    except OSError as exc:
        answer = NotOpened(str(exc))
    pipe.send(answer)


def hear(pipe: Connection, wanted: str) -> None:
    """Records from the device until the pipe is closed; what a process of its own runs.

    wanted: an index, part of a name, or "" for the system's own choice.
    """
    _silence()
    try:
        sounddevice = _portaudio()
        device = _found(sounddevice, wanted)
        recording = _Recording(sounddevice, device, pipe)
    except OSError as exc:
        pipe.send(NotOpened(str(exc)))
        return
    pipe.send(Opened(device.name))
    recording.run()


class _Recording:
    def __init__(self, sounddevice: Any, device: MicrophoneDevice, pipe: Connection) -> None:
        self._device, self._pipe = device, pipe
        self._decoder, self._samples_done = AudioDecoder(), 0
        self._ready, self._over = threading.Event(), threading.Event()
        try:
            self._stream = sounddevice.InputStream(
                device=device.index,
                channels=min(2, device.channels),
                samplerate=device.rate,
                dtype="float32",
                callback=self._take,
            )
            self._stream.start()
        except sounddevice.PortAudioError as exc:
            raise OSError(f"cannot open the microphone {device}: {exc}; is another program using it?") from exc

    def run(self) -> None:
        self._ready.set()
        self._over.wait()

    def _take(self, samples: Any, count: int, times: Any, _flags: Any) -> None:
        """Sends what PortAudio's thread has recorded: float32 N x channels."""
        now_s, rate = time.monotonic(), self._device.rate
        if not self._ready.is_set() or self._over.is_set():
            return
        ago_s = times.currentTime - times.inputBufferAdcTime
        if not 0 < ago_s < _MAX_DELAY_S:  # not every system says it
            ago_s = count / rate
        both = np.repeat(samples, 2, axis=1) if samples.shape[1] == 1 else samples
        left_and_right = np.array(both.T, dtype=np.float32, order="C")
        try:
            if rate == RATE:
                self._pipe.send(AudioChunk(now_s - ago_s, left_and_right))
                return
            frame: Any = av.AudioFrame.from_ndarray(left_and_right, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = rate, self._samples_done, Fraction(1, rate)
            began_s = now_s - ago_s - self._samples_done / rate
            self._samples_done += count
            for piece in self._decoder.pieces(frame):
                self._pipe.send(AudioChunk(began_s + piece.at_s, piece.samples))
        except OSError:  # nobody listens any more
            self._over.set()


def _silence() -> None:
    """ALSA and PortAudio tell their life on stderr."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    os.close(nothing)


def _portaudio() -> Any:
    try:
        import sounddevice
    except (ImportError, OSError) as exc:  # the package, or the library that it calls
        raise OSError(f"to hear a microphone, {_INSTALL}") from exc
    return sounddevice


def _devices(sounddevice: Any) -> Sequence[MicrophoneDevice]:
    return [
        MicrophoneDevice(index, each["name"], each["max_input_channels"], round(each["default_samplerate"]))
        for index, each in enumerate(sounddevice.query_devices())
        if each["max_input_channels"] > 0
    ]


def _found(sounddevice: Any, wanted: str) -> MicrophoneDevice:
    devices = _devices(sounddevice)
    if not wanted:
        fitting = [each for each in devices if each.index == sounddevice.default.device[0]]
    elif wanted.isdecimal():
        fitting = [each for each in devices if each.index == int(wanted)]
    else:
        fitting = [each for each in devices if wanted.casefold() in each.name.casefold()]
    if not fitting:
        there = "found: " + ", ".join(map(str, devices)) if devices else "found no microphone at all"
        raise OSError(f"no microphone {wanted!r} here; {there}" if wanted else there)
    return fitting[0]
