"""Live audio stays with its frames, in files and streams, with silence where there is none."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from realtime.audio.feed import SAMPLE_RATE, AudioChunk, AudioDecoder, AudioFeed, FileAudio
from realtime.frames import ClipRange, Frame
from realtime.sinks.file_sound import FileSound
from realtime.sources.real_time import RealTime
from realtime.sources.video_file import VideoFile
from tests.realtime.clips import SIZE, numbered
from tests.realtime.conftest import NstLive
from tests.realtime.servers import RtmpServer, TcpStream, no_nginx_reason
from tests.realtime.sinks.test_stream import server as server  # noqa: PLC0414 - a fixture

PICTURE_RATE = Fraction(25)
# The tone begins this long after the first frame.
BEGINS_S = 1.0
SECONDS = 6
NEEDS_NGINX = pytest.mark.skipif(no_nginx_reason() is not None, reason=str(no_nginx_reason()))


def write_talkie(path: Path, rate: int = 44_100, layout: str = "mono") -> Path:
    """Writes a clip that is dark and silent for BEGINS_S, then bright with a tone of 440 Hz."""
    with av.open(str(path), "w") as container:
        pictures: Any = container.add_stream("libx264", rate=PICTURE_RATE, options={"tune": "zerolatency", "g": "5"})
        pictures.width, pictures.height, pictures.pix_fmt = *SIZE, "yuv420p"
        sound: Any = container.add_stream("aac", rate=rate, layout=layout)
        size = 1024
        for index in range(int(SECONDS * PICTURE_RATE)):
            shade = 0 if index < BEGINS_S * PICTURE_RATE else 39
            picture = av.VideoFrame.from_ndarray(numbered(shade), format="rgb24").reformat(format="yuv420p")
            picture.pts, picture.time_base = index, 1 / PICTURE_RATE
            container.mux(pictures.encode(picture))
        for begin in range(0, SECONDS * rate, size):
            at_s = np.arange(begin, begin + size) / rate
            tone = np.where(at_s < BEGINS_S, 0, 0.5 * np.sin(2 * np.pi * 440 * at_s)).astype(np.float32)
            channels = 2 if layout == "stereo" else 1
            frame = av.AudioFrame.from_ndarray(np.stack([tone] * channels), format="fltp", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, begin, Fraction(1, rate)
            container.mux(sound.encode(frame))
        container.mux(pictures.encode(None))
        container.mux(sound.encode(None))
    return path


def joined(chunks: list[AudioChunk]) -> tuple[float, NDArray[np.float32]]:
    """Returns when chunks without gaps begin, and their left channel."""
    for earlier, later in pairwise(chunks):
        assert later.at_s == pytest.approx(earlier.at_s + earlier.samples.shape[1] / SAMPLE_RATE, abs=0.002)
    return chunks[0].at_s, np.concatenate([chunk.samples[0] for chunk in chunks])


def pitch(samples: NDArray[np.float32]) -> float:
    """Returns the strongest frequency in Hz."""
    strength = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(strength)) * SAMPLE_RATE / len(samples)


@pytest.mark.parametrize(("rate", "layout"), [(44_100, "mono"), (48_000, "stereo"), (22_050, "stereo")])
def test_the_audio_of_a_file_is_stereo_at_our_sample_rate_and_at_its_time(
    rate: int, layout: str, tmp_path: Path
) -> None:
    sound = FileAudio(ClipRange(write_talkie(tmp_path / "talkie.mp4", rate, layout)))
    assert sound.available
    first = list(sound.read_until(0.5))
    begins_s, samples = joined([*first, *sound.read_until(100)])
    sound.close()
    assert begins_s == pytest.approx(0, abs=0.06)
    assert first[-1].at_s <= 0.5
    assert len(samples) / SAMPLE_RATE == pytest.approx(SECONDS, abs=0.15)
    starts = int(np.argmax(np.abs(samples) > 0.1)) / SAMPLE_RATE + begins_s
    assert starts == pytest.approx(BEGINS_S, abs=0.05)
    assert pitch(samples[2 * SAMPLE_RATE : 4 * SAMPLE_RATE]) == pytest.approx(440, abs=2)


def test_the_audio_of_a_part_begins_with_the_part(tmp_path: Path) -> None:
    sound = FileAudio(ClipRange(write_talkie(tmp_path / "talkie.mp4"), Fraction(BEGINS_S) - Fraction(1, 2)))
    begins_s, samples = joined(list(sound.read_until(100)))
    sound.close()
    assert 0 <= begins_s < 0.05
    assert int(np.argmax(np.abs(samples) > 0.1)) / SAMPLE_RATE + begins_s == pytest.approx(0.5, abs=0.05)


def test_a_queue_that_nobody_takes_from_does_not_grow() -> None:
    feed = AudioFeed()
    queue = feed.subscribe()
    for index in range(1000):
        feed.put(AudioChunk(index / 10, np.zeros((2, 4), np.float32)))
    assert [chunk.at_s for chunk in queue.take_until(2000)] == [index / 10 for index in range(959, 1000)]
    assert queue.take_until(2000) == []


def test_all_subscribers_get_everything_until_the_feed_is_muted() -> None:
    feed = AudioFeed()
    early, chunk = feed.subscribe(), AudioChunk(0.0, np.zeros((2, 4), np.float32))
    feed.put(chunk)
    late = feed.subscribe()
    feed.put(chunk)
    feed.muted = True
    feed.put(chunk)
    assert (len(early.take_until(1)), len(late.take_until(1))) == (2, 1)
    feed.muted = False
    feed.unsubscribe(early)
    feed.put(chunk)
    assert (len(early.take_until(1)), len(late.take_until(1))) == (0, 1)


def test_a_file_played_in_real_time_puts_out_its_audio_with_its_frames(tmp_path: Path) -> None:
    feed = AudioFeed()
    queue = feed.subscribe()
    playback = RealTime(VideoFile(write_talkie(tmp_path / "talkie.mp4")), feed)
    assert playback.info.audio is feed
    chunks: list[AudioChunk] = []
    bright_at_s = None
    with playback:
        for frame in playback.frames():
            chunks.extend(queue.take_until(frame.captured_at_s))
            if bright_at_s is None and frame.pixels.mean() > 100:
                bright_at_s = frame.captured_at_s
            if frame.index == 2 * PICTURE_RATE:
                break
    begins_s, samples = joined(chunks)
    assert bright_at_s is not None
    assert int(np.argmax(np.abs(samples) > 0.1)) / SAMPLE_RATE + begins_s == pytest.approx(bright_at_s, abs=0.06)


def test_a_file_without_audio_has_no_feed(tmp_path: Path) -> None:
    from tests.realtime.clips import write_clip

    with RealTime(VideoFile(write_clip(tmp_path / "silent.mp4")), AudioFeed()) as playback:
        assert playback.info.audio is None


def received(recording: Path) -> tuple[float, float, NDArray[np.float32]]:
    """Returns when the video becomes bright, when the tone begins, and the samples from then on."""
    with av.open(str(recording)) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
        bright_at_s = next(
            float(picture.time or 0)
            for picture in container.decode(container.streams.video[0])
            if picture.to_ndarray(format="rgb24").mean() > 100
        )
    with av.open(str(recording)) as container:
        decoder = AudioDecoder()
        chunks = [chunk for frame in container.decode(audio=0) for chunk in decoder.chunks(frame)]
    begins_s, samples = joined(chunks)
    first = int(np.argmax(np.abs(samples) > 0.1))
    return bright_at_s, begins_s + first / SAMPLE_RATE, samples[first:]


@NEEDS_NGINX
@pytest.mark.parametrize(
    "case",
    [
        ("stream", 0),
        ("file that is recorded", 600),
        pytest.param(("file", 0), marks=pytest.mark.long),
        pytest.param(("file that is recorded", 0), marks=pytest.mark.long),
    ],
)
def test_audio_arrives_at_a_server_with_its_video(
    case: tuple[str, int], server: RtmpServer, tmp_path: Path, identity: Path, nst_live: NstLive
) -> None:
    kind, delay_ms = case
    options = ["--style", identity, "--no-window", "--stream", server.url, "--audio-delay", delay_ms]
    if kind.startswith("file"):
        recorded = ["-o", "painted.mp4"] if kind == "file that is recorded" else []
        result = nst_live("-i", write_talkie(tmp_path / "talkie.mp4"), *options, *recorded)
    else:
        with TcpStream(write_talkie(tmp_path / "talkie.ts")) as sender:
            result = nst_live("-i", sender.url, *options, "--frames", "100")
    assert result.code == 0, result.err
    bright_at_s, tone_at_s, samples = received(server.recordings()[-1])
    assert tone_at_s == pytest.approx(bright_at_s + delay_ms / 1000, abs=0.25)
    assert pitch(samples[:SAMPLE_RATE]) == pytest.approx(440, abs=3)


def test_the_sound_of_a_file_that_pauses_begins_again_with_its_frames(tmp_path: Path) -> None:
    feed, pixels = AudioFeed(), numbered(0)
    queue = feed.subscribe()
    clip = ClipRange(write_talkie(tmp_path / "talkie.mp4"))
    sound = FileSound(clip, PICTURE_RATE, feed)
    chunks: list[AudioChunk] = []
    for index in range(100):
        # two seconds go by before frame 50
        captured_at_s = 1000 + float(index / PICTURE_RATE) + (2 if index >= 50 else 0)
        sound.write(pixels, Frame(pixels, index, captured_at_s, index / PICTURE_RATE))
        chunks.extend(queue.take_until(math.inf))
    sound.close()
    pause_s = 1000 + 50 / float(PICTURE_RATE)
    begins_s, samples = joined([chunk for chunk in chunks if chunk.at_s < pause_s])
    assert int(np.argmax(np.abs(samples) > 0.1)) / SAMPLE_RATE + begins_s == pytest.approx(1000 + BEGINS_S, abs=0.06)
    later = [chunk for chunk in chunks if chunk.at_s >= pause_s]
    assert later[0].at_s == pytest.approx(pause_s + 2, abs=0.06)
    assert len(later) + sum(chunk.at_s < pause_s for chunk in chunks) == len(chunks)
