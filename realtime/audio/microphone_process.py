"""The child process behind a microphone: it runs PortAudio and sends what is recorded through a pipe.

If a sound card is unplugged, PortAudio ends up in an endless loop on some systems and floods the terminal; and only a
new process sees a card that was plugged in later.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
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
# What ALSA adds to a device's name: the number of its sound card, which is another one when it is plugged in again.
_CARD = re.compile(r"(?<=\()hw:\d+(?=,\d+\))")
_WATCH_EVERY_S = 2.0


@dataclass(frozen=True)
class MicrophoneDevice:
    """A recording device, as PortAudio knows it.

    Args:
        index: PortAudio's index.
        name: PortAudio's name.
        channels: how many it records at most.
        rate: its usual samples per second.
        host_api: which of PortAudio's ways to the system it belongs to; on some systems a device has several.
    """

    index: int
    name: str
    channels: int
    rate: int
    host_api: str = ""

    @property
    def model(self) -> tuple[str, str]:
        """What it has in common with itself after it was plugged in again: all but the number of the sound card."""
        return _CARD.sub("", self.name), self.host_api

    def __str__(self) -> str:
        return f"{self.index} ({self.name})"


@dataclass(frozen=True)
class Opened:
    """The first answer of `record`: the device is open, and AudioChunks follow.

    Args:
        device: that is open.
        twins: the names of other devices of its model.
    """

    device: MicrophoneDevice
    twins: frozenset[str] = frozenset()


@dataclass(frozen=True)
class DefaultIs:
    """What `watch_default` sends: the name of the microphone that the system prefers."""

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


def record(pipe: Connection, wanted: str | Opened) -> None:
    """Records until the pipe is closed; runs in a child process.

    Args:
        pipe: takes Opened and then AudioChunks with times on the monotonic clock, or Unavailable.
        wanted: an index, part of a name, or "" for the system's default; or what was open before it was lost, in whose
            place no other device is taken.
    """
    _silence_stderr()
    try:
        sounddevice = _portaudio()
        devices = _devices(sounddevice)
        if isinstance(wanted, Opened):
            opened = Opened(_find_again(devices, wanted), wanted.twins)
        else:
            device = _find_device(devices, wanted, sounddevice.default.device[0])
            opened = Opened(
                device, frozenset(each.name for each in devices if each.model == device.model) - {device.name}
            )
        recording = _Recording(sounddevice, opened.device, pipe)
    except OSError as exc:
        pipe.send(Unavailable(str(exc)))
        return
    pipe.send(opened)
    recording.run()


def watch_default(pipe: Connection, asks_server: bool) -> None:
    """Sends which microphone the system prefers, first and after each change, until the pipe is closed; runs in a child
    process, since PortAudio sees changes only when it is started again.

    Args:
        pipe: takes DefaultIs.
        asks_server: whether the sound server of Linux is asked; PortAudio knows it under one name, whatever it records.
    """
    _silence_stderr()
    known = ""
    with suppress(EOFError, OSError):
        sounddevice = None if asks_server else _portaudio()
        while True:
            name = _server_default() if sounddevice is None else _portaudio_default(sounddevice)
            if name and name != known:
                pipe.send(DefaultIs(name))
                known = name
            if pipe.poll(_WATCH_EVERY_S):  # it is closed
                return


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
        MicrophoneDevice(
            index,
            each["name"],
            each["max_input_channels"],
            round(each["default_samplerate"]),
            sounddevice.query_hostapis(each["hostapi"])["name"],
        )
        for index, each in enumerate(sounddevice.query_devices())
        if each["max_input_channels"] > 0
    ]


def _find_device(devices: Sequence[MicrophoneDevice], wanted: str, default: int) -> MicrophoneDevice:
    """Returns the device that is asked for by index, part of its name, or "" for that with the index `default`."""
    if not wanted:
        matching = [each for each in devices if each.index == default]
    elif wanted.isdecimal():
        matching = [each for each in devices if each.index == int(wanted)]
    else:
        matching = [each for each in devices if wanted.casefold() in each.name.casefold()]
    if not matching:
        found = "found: " + ", ".join(map(str, devices)) if devices else "found no microphone"
        missing = f"no microphone {wanted!r} here" if wanted else "the system has no default microphone"
        raise OSError(f"{missing}; {found}")
    return matching[0]


def _find_again(devices: Sequence[MicrophoneDevice], lost: Opened) -> MicrophoneDevice:
    """Returns the device that was lost: never one that only has its index by now."""
    same = [each for each in devices if each.model == lost.device.model]
    found = next((each for each in same if each.name == lost.device.name), None)
    found = found or next((each for each in same if each.name not in lost.twins), None)
    if found is None:
        raise OSError(f"the microphone {lost.device} is not back")
    return found


def _portaudio_default(sounddevice: Any) -> str:
    """Returns the name of the default device, by a PortAudio that has looked again."""
    with suppress(sounddevice.PortAudioError):  # it may not have started the last time
        sounddevice._terminate()  # as its own documentation says
    try:
        sounddevice._initialize()
        index = sounddevice.default.device[0]
        return next((each.name for each in _devices(sounddevice) if each.index == index), "")
    except sounddevice.PortAudioError:  # a device is being plugged in
        return ""


def _server_default() -> str:
    """Returns the name of the default source of PulseAudio or PipeWire; "" if there is none."""
    name = _pactl("get-default-source")
    try:
        sources = json.loads(_pactl("--format=json", "list", "sources"))
    except ValueError:  # an older one writes no JSON
        return name
    return next((str(each.get("description") or name) for each in sources if each.get("name") == name), name)


def _pactl(*words: str) -> str:
    try:
        done = subprocess.run(["pactl", *words], capture_output=True, text=True, timeout=_WATCH_EVERY_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
