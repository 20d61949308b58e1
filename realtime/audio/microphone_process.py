"""The child process behind a microphone: it runs PortAudio and sends what is recorded through a pipe.

If a sound card is unplugged, PortAudio ends up in an endless loop on some systems and floods the terminal; and only a
new process sees a card that was plugged in later.
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

from realtime.audio.feed import SAMPLE_RATE, AudioChunk, AudioDecoder

_INSTALL = "type: pip install 'nst-live[microphone]' (on Linux also: sudo apt install libportaudio2)"
# A larger delay, as some systems report, is not believed.
_MAX_DELAY_S = 1.0


@dataclass(frozen=True)
class MicrophoneDevice:
    """A recording device, as PortAudio knows it.

    Args:
        index: PortAudio's index.
        name: PortAudio's name.
        channels: how many it records at most.
        rate: its usual samples per second.
    """

    index: int
    name: str
    channels: int
    rate: int

    def __str__(self) -> str:
        return f"{self.index} ({self.name})"


@dataclass(frozen=True)
class Opened:
    """The first answer of `record`: the device is open, and AudioChunks follow."""

    name: str


@dataclass(frozen=True)
class Unavailable:
    """The only answer if there is no such device, or it cannot be opened."""

    reason: str


@dataclass(frozen=True)
class DeviceList:
    """The answer of `list_devices`."""

    devices: Sequence[MicrophoneDevice]


def list_devices(pipe: Connection) -> None:
    """Sends the recording devices of this machine; runs in a child process."""
    _silence_stderr()
    try:
        answer: DeviceList | Unavailable = DeviceList(_devices(_portaudio()))
    except OSError as exc:
        answer = Unavailable(str(exc))
    pipe.send(answer)


def record(pipe: Connection, wanted: str) -> None:
    """Records until the pipe is closed; runs in a child process.

    Args:
        pipe: takes Opened and then AudioChunks with times on the monotonic clock, or Unavailable.
        wanted: an index, part of a name, or "" for the system's default.
    """
    _silence_stderr()
    try:
        sounddevice = _portaudio()
        device = _find_device(sounddevice, wanted)
        recording = _Recording(sounddevice, device, pipe)
    except OSError as exc:
        pipe.send(Unavailable(str(exc)))
        return
    pipe.send(Opened(device.name))
    recording.run()


class _Recording:
    def __init__(self, sounddevice: Any, device: MicrophoneDevice, pipe: Connection) -> None:
        self._device, self._pipe = device, pipe
        self._decoder, self._samples_done = AudioDecoder(), 0
        self._ready, self._closed = threading.Event(), threading.Event()
        try:
            self._stream = sounddevice.InputStream(
                device=device.index,
                channels=min(2, device.channels),
                samplerate=device.rate,
                dtype="float32",
                callback=self._send,
            )
            self._stream.start()
        except sounddevice.PortAudioError as exc:
            raise OSError(f"cannot open the microphone {device}: {exc}; is another program using it?") from exc

    def run(self) -> None:
        """Sends audio until the pipe is closed."""
        self._ready.set()
        self._closed.wait()

    def _send(self, samples: Any, count: int, times: Any, _flags: Any) -> None:
        """Sends N x channels float32 samples; called by PortAudio's thread."""
        now_s, rate = time.monotonic(), self._device.rate
        if not self._ready.is_set() or self._closed.is_set():
            return
        age_s = times.currentTime - times.inputBufferAdcTime
        if not 0 < age_s < _MAX_DELAY_S:  # not every system reports it
            age_s = count / rate
        stereo = np.repeat(samples, 2, axis=1) if samples.shape[1] == 1 else samples
        planes = np.array(stereo.T, dtype=np.float32, order="C")
        try:
            if rate == SAMPLE_RATE:
                self._pipe.send(AudioChunk(now_s - age_s, planes))
                return
            frame: Any = av.AudioFrame.from_ndarray(planes, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = rate, self._samples_done, Fraction(1, rate)
            began_s = now_s - age_s - self._samples_done / rate
            self._samples_done += count
            for chunk in self._decoder.chunks(frame):
                self._pipe.send(AudioChunk(began_s + chunk.at_s, chunk.samples))
        except OSError:  # the pipe was closed
            self._closed.set()


def _silence_stderr() -> None:
    """Discards stderr, into which ALSA and PortAudio write pages of log."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 2)
    os.close(devnull)


def _portaudio() -> Any:
    try:
        import sounddevice
    except (ImportError, OSError) as exc:  # the package is missing, or the library that it calls
        raise OSError(f"a microphone needs PortAudio; {_INSTALL}") from exc
    return sounddevice


def _devices(sounddevice: Any) -> Sequence[MicrophoneDevice]:
    return [
        MicrophoneDevice(index, each["name"], each["max_input_channels"], round(each["default_samplerate"]))
        for index, each in enumerate(sounddevice.query_devices())
        if each["max_input_channels"] > 0
    ]


def _find_device(sounddevice: Any, wanted: str) -> MicrophoneDevice:
    devices = _devices(sounddevice)
    if not wanted:
        matching = [each for each in devices if each.index == sounddevice.default.device[0]]
    elif wanted.isdecimal():
        matching = [each for each in devices if each.index == int(wanted)]
    else:
        matching = [each for each in devices if wanted.casefold() in each.name.casefold()]
    if not matching:
        found = "found: " + ", ".join(map(str, devices)) if devices else "found no microphone"
        missing = f"no microphone {wanted!r} here" if wanted else "the system has no default microphone"
        raise OSError(f"{missing}; {found}")
    return matching[0]
