"""Stands for the package sounddevice: a microphone whose clock is a little too fast, and which hears the claps."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

RATE, BLOCK = 48_000, 480
CLAP_EVERY_S, CLAP_S, DRIFT = 2.0, 0.2, 200e-6


class PortAudioError(Exception):
    pass


class _Default:
    device = (0, -1)


default = _Default()


def query_devices() -> Sequence[dict[str, Any]]:
    return [{"name": "Soak microphone", "max_input_channels": 1, "default_samplerate": float(RATE), "hostapi": 0}]


def query_hostapis(_index: int) -> dict[str, Any]:
    return {"name": "soak"}


class _Times:
    currentTime = inputBufferAdcTime = 0.0  # noqa: N815 - PortAudio's names


class InputStream:
    def __init__(self, *, callback: Callable[..., None], **_: Any) -> None:
        self._callback = callback

    def start(self) -> None:
        threading.Thread(target=self._record, daemon=True).start()

    def _record(self) -> None:
        began_s, done = time.monotonic(), 0
        while True:
            done += BLOCK
            # so many samples take less time than they should
            ends_s = began_s + done / (RATE * (1 + DRIFT))
            time.sleep(max(0.0, ends_s - time.monotonic()))
            at_s = ends_s - (BLOCK - np.arange(BLOCK)) / RATE
            loud = np.where(at_s % CLAP_EVERY_S < CLAP_S, 0.5, 0.01)
            samples = (loud * np.sin(2 * np.pi * 440 * at_s)).astype(np.float32)
            self._callback(samples[:, None], BLOCK, _Times, None)
