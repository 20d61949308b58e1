"""Another process receives by NDI what is painted: its size, its colours, its rate and its sound.

It is found by the address of this machine, as mDNS needs a daemon that many machines do not have.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from realtime.audio.feed import AudioChunk, AudioFeed
from realtime.frames import Frame
from realtime.queues import QueuePolicy, SinkQueue
from realtime.sinks.ndi import NdiError, NdiSource
from tests.realtime.clips import NTSC
from tests.realtime.conftest import NstLive

pytest.importorskip("cyndilib", reason="cyndilib is not installed")

RECEIVER = """
import json, sys, time
import numpy as np
from cyndilib.audio_frame import AudioRecvFrame
from cyndilib.finder import Finder
from cyndilib.receiver import Receiver, ReceiveFrameType as Got
from cyndilib.video_frame import VideoRecvFrame
from cyndilib.wrapper.ndi_recv import RecvBandwidth, RecvColorFormat

wanted, end_s = sys.argv[1], time.monotonic() + 60
finder = Finder()
finder.open()
names = []
while not names and time.monotonic() < end_s:
    finder.wait_for_sources(1)
    names = [name for name in finder.get_source_names() if wanted in name]
receiver = Receiver(color_format=RecvColorFormat.RGBX_RGBA, bandwidth=RecvBandwidth.highest)
video, audio = VideoRecvFrame(), AudioRecvFrame()
receiver.set_video_frame(video)
receiver.set_audio_frame(audio)
receiver.set_source(finder.get_source(names[0]))
shown, heard, stays_until_s = [], {}, time.monotonic() + 2.5
# long enough for the sender to count it
while time.monotonic() < end_s and (len(shown) < 5 or not heard or time.monotonic() < stays_until_s):
    got = receiver.receive(Got.recv_video | Got.recv_audio, 1000)
    if got & Got.recv_video:
        pixels = np.zeros(video.get_buffer_size(), np.uint8)
        video.fill_p_data(pixels)
        width, height = video.get_resolution()
        pixels = pixels.reshape(height, -1)[:, : 4 * width].reshape(height, width, 4)
        corners = [[int(value) for value in pixels[y, x, :3]] for y, x in ((4, 4), (4, width - 5), (height - 5, 4))]
        shown.append([[width, height], str(video.get_frame_rate()), corners])
    if got & Got.recv_audio:
        samples, _ = audio.get_all_read_data()
        if samples.size and np.abs(samples).max() > 0.1:
            peaks = np.abs(samples).max(axis=1).tolist()
            heard = {"rate": audio.sample_rate, "channels": samples.shape[0], "peaks": peaks}
print(json.dumps([names[0], shown, heard]))
"""


def test_another_process_receives_size_colours_rate_and_sound(tmp_path: Path) -> None:
    (tmp_path / "ndi-config.v1.json").write_text('{"ndi": {"networks": {"ips": "127.0.0.1"}}}')
    name, size, feed = f"nst-test-{os.getpid()}", (322, 241), AudioFeed()
    pixels = np.full((size[1], size[0], 3), (200, 50, 20), np.uint8)
    pixels[:100, 160:] = (20, 180, 220)
    pixels[140:] = (255, 255, 255)
    environment = {**os.environ, "NDI_CONFIG_DIR": str(tmp_path)}
    code = [sys.executable, "-c", RECEIVER, name]
    sound = feed.subscribe()
    with NdiSource(size, NTSC, name, sound) as source, SinkQueue(source, "NDI", QueuePolicy(capacity=2)) as queue:
        assert source.status.endswith(f"({name}), nobody yet")
        receiver = subprocess.Popen(code, env=environment, stdout=subprocess.PIPE, text=True)
        index, seen = 0, ""
        while receiver.poll() is None:
            now_s = time.monotonic()
            tone = 0.5 * np.sin(2 * np.pi * 440 * (np.arange(1602) + 1602 * index) / 48_000)
            feed.put(AudioChunk(now_s, np.stack([tone, tone / 2]).astype(np.float32)))
            queue.write(pixels, Frame(pixels, index, now_s))
            seen = source.status if "1 receiver" in source.status else seen
            index += 1
            time.sleep(float(1 / NTSC))
    assert queue.failure == ""
    assert receiver.stdout is not None
    found, shown, heard = json.loads(receiver.stdout.read())
    receiver.stdout.close()
    assert receiver.returncode == 0
    assert name in found
    assert seen.endswith(f"({name}), 1 receiver")
    for shape, rate, corners in shown:
        assert shape == [322, 240]
        assert Fraction(rate) == NTSC
        np.testing.assert_allclose(corners, [(200, 50, 20), (20, 180, 220), (255, 255, 255)], atol=6)
    assert heard["rate"] == 48_000
    assert heard["channels"] == 2
    assert heard["peaks"] == pytest.approx([0.5, 0.25], abs=0.03), "left and right"


def test_the_command_is_a_source_of_its_name(identity: Path, nst_live: NstLive) -> None:
    name = f"nst-command-{os.getpid()}"
    show = ("-i", "test", "--size", "64x48", "--frames", "5", "--no-window", "--style", identity)
    told = nst_live(*show, "--ndi", name)
    assert told.code == 0, told.err
    assert f"({name}), nobody yet" in told.err


def test_without_the_package_the_line_says_what_to_install(
    identity: Path, nst_live: NstLive, missing: Callable[[str], None]
) -> None:
    missing("cyndilib.sender")
    with pytest.raises(NdiError, match="NDI needs cyndilib"):
        NdiSource((64, 48), Fraction(30))
    told = nst_live("-i", "test", "--size", "64x48", "--frames", "2", "--no-window", "--style", identity, "--ndi")
    assert told.code == 4
    assert 'type: pip install "nst-live[ndi]"' in told.complaint
