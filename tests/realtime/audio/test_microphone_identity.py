"""A microphone is the one that was named, or none: it is waited for. Only the default follows the system."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from realtime.audio import microphone as microphone_module
from realtime.audio.feed import SAMPLE_RATE, AudioFeed, AudioQueue
from realtime.audio.microphone import Microphone
from tests.realtime.audio.test_microphone import NEEDS_ROOM, tone, wait_until
from tests.realtime.audio.test_microphone import room as room  # noqa: PLC0414 - a fixture
from tests.realtime.servers import Room

YETI, WEBCAM, HEADSET = "Yeti: USB Audio (hw:1,0)", "Webcam: USB Audio (hw:2,0)", "Headset"
Plug = Callable[..., None]


@pytest.fixture
def plug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plug:
    """Returns `plug({name: level, …}, default=name)`, which says what is plugged in from now on, by index."""
    folder = tmp_path / "portaudio"
    folder.mkdir()
    shutil.copy(Path(__file__).with_name("fake_sounddevice.py"), folder / "sounddevice.py")
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])  # which a spawned process inherits
    monkeypatch.setattr(microphone_module, "_ASKS_SERVER", False)

    def plugged(levels: Mapping[str, float], default: str = "") -> None:
        devices = [{"name": name, "level": level} for name, level in levels.items()]
        partial = folder / "devices.partial"
        partial.write_text(json.dumps({"devices": devices, "default": default}))
        partial.replace(folder / "devices.json")

    return plugged


def heard(queue: AudioQueue) -> set[float]:
    """Returns the levels that were heard since the last call."""
    return {round(float(chunk.samples[0, 0]), 2) for chunk in queue.take_until(time.monotonic())}


def hears(queue: AudioQueue, level: float) -> None:
    heard(queue)
    levels: set[float] = set()

    def is_heard() -> bool:
        levels.update(heard(queue))
        return bool(levels)

    wait_until(is_heard)
    assert levels == {level}


@pytest.mark.parametrize("wanted", ["yeti", pytest.param("0", marks=pytest.mark.long)], ids=["by name", "by index"])
def test_a_microphone_that_is_unplugged_is_not_replaced_by_the_one_that_has_its_number(wanted: str, plug: Plug) -> None:
    plug({YETI: 0.1, WEBCAM: 0.2})
    feed = AudioFeed()
    queue = feed.subscribe()
    with Microphone(wanted, feed) as microphone:
        hears(queue, 0.1)
        plug({WEBCAM: 0.2})
        wait_until(lambda: microphone.status == f"microphone {YETI} lost, waiting for it")
        heard(queue)
        time.sleep(2.5)
        assert heard(queue) == set(), "the webcam is not asked for, though its index is 0 now"
        plug({WEBCAM: 0.2, YETI.replace("hw:1", "hw:3"): 0.1})
        wait_until(lambda: "lost" not in microphone.status)
        hears(queue, 0.1)


def test_of_two_microphones_of_one_model_only_the_one_that_was_lost_is_taken_again(plug: Plug) -> None:
    twin = YETI.replace("hw:1", "hw:2")
    plug({YETI: 0.1, twin: 0.2})
    feed = AudioFeed()
    queue = feed.subscribe()
    with Microphone(YETI, feed) as microphone:
        hears(queue, 0.1)
        plug({twin: 0.2})
        wait_until(lambda: "lost" in microphone.status)
        heard(queue)
        time.sleep(2.5)
        assert heard(queue) == set()
        plug({twin: 0.2, YETI.replace("hw:1", "hw:4"): 0.1})
        wait_until(lambda: "lost" not in microphone.status)
        hears(queue, 0.1)


def test_the_default_follows_the_system_and_the_change_is_shown(plug: Plug) -> None:
    plug({WEBCAM: 0.2}, default=WEBCAM)
    feed = AudioFeed()
    queue = feed.subscribe()
    with Microphone("", feed) as microphone:
        assert microphone.status == f"microphone {WEBCAM} (the system's default)"
        hears(queue, 0.2)
        plug({WEBCAM: 0.2, HEADSET: 0.3}, default=HEADSET)
        wait_until(lambda: microphone.status == f"microphone {HEADSET} (the system's default)")
        wait_until(lambda: heard(queue) == {0.3})


@NEEDS_ROOM
def test_on_linux_the_default_follows_the_sound_server(room: Room) -> None:
    def pactl(*words: str) -> None:
        subprocess.run(["pactl", "-s", room.address, *words], check=True, stdout=subprocess.DEVNULL)

    pactl("load-module", "module-null-sink", "sink_name=hall", "sink_properties=device.description=Hall")
    pactl("set-default-source", "room.monitor")
    feed = AudioFeed()
    queue = feed.subscribe()
    with Microphone("", feed) as microphone, room.play(tone(60), SAMPLE_RATE):
        wait_until(lambda: max(heard_peaks(queue), default=0) > 0.3)
        pactl("set-default-source", "hall.monitor")
        wait_until(lambda: "Hall" in microphone.status)
        wait_until(lambda: max(heard_peaks(queue), default=1) < 0.01)


def heard_peaks(queue: AudioQueue) -> list[float]:
    return [float(abs(chunk.samples).max()) for chunk in queue.take_until(time.monotonic())]


def test_a_microphone_that_gives_exact_silence_is_named(plug: Plug, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microphone_module, "_SILENT_AFTER_S", 0.5)
    plug({YETI: 0.0})
    feed = AudioFeed()
    queue = feed.subscribe()
    with Microphone(YETI, feed) as microphone:
        hears(queue, 0.0)
        silent = f"microphone {YETI} is silent: muted, or forbidden by the system?"
        wait_until(lambda: microphone.status == silent)
        plug({YETI: 0.001})
        wait_until(lambda: microphone.status == f"microphone {YETI}")
