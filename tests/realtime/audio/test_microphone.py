"""A microphone is streamed and recorded, can be lost and found, and its errors are clear."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from realtime.audio.feed import SAMPLE_RATE, AudioChunk, AudioDecoder, AudioFeed, AudioQueue
from realtime.audio.live_track import SILENCE_AFTER_S
from realtime.audio.microphone import Microphone
from realtime.frames import Frame
from realtime.media.decoding import SourceError
from realtime.media.encoders import Encoding
from realtime.media.video_encoder import VideoTrack
from realtime.sinks.recorder import FileRecorder
from realtime.sinks.replay import Replay
from tests.realtime.audio.test_feed import pitch
from tests.realtime.clips import SIZE, numbered, write_clip
from tests.realtime.conftest import NstLive
from tests.realtime.servers import Room, RtmpServer, TcpStream, no_nginx_reason, no_room_reason
from tests.realtime.sinks.test_stream import server as server  # noqa: PLC0414 - a fixture

# what ALSA calls PulseAudio
PULSE = "pulse"
TONE_HZ = 440
LIVE = VideoTrack(SIZE, Fraction(25), live=True)
NEEDS_ROOM = pytest.mark.skipif(no_room_reason() is not None, reason=str(no_room_reason()))


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    with Room(tmp_path / "room") as room:
        monkeypatch.setenv("PULSE_SERVER", room.address)
        monkeypatch.setenv("HOME", str(tmp_path / "room"))
        yield room


def tone(seconds: float, silence_s: float = 0.0, rate: int = SAMPLE_RATE) -> bytes:
    """Returns a tone of 440 Hz after a silence, as `Room.play` takes it."""
    at_s = np.arange(round(rate * (silence_s + seconds))) / rate
    loud = np.where(at_s < silence_s, 0, 0.5 * np.sin(2 * np.pi * TONE_HZ * at_s))
    return np.repeat(loud.astype(np.float32), 2).tobytes()


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline_s = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def take(queue: AudioQueue, chunks: list[AudioChunk]) -> float:
    """Adds what was recorded since; returns the time of the last chunk."""
    chunks.extend(queue.take_until(time.monotonic()))
    return chunks[-1].at_s if chunks else 0.0


def samples_of(path: Path) -> NDArray[np.float32]:
    """Returns the left channel of a file's audio from its beginning on."""
    decoder = AudioDecoder()
    with av.open(str(path)) as container:
        chunks = [chunk for frame in container.decode(audio=0) for chunk in decoder.chunks(frame)]
    return np.concatenate(
        [np.zeros(max(0, round(chunks[0].at_s * SAMPLE_RATE)), np.float32), *(p.samples[0] for p in chunks)]
    )


def loudest_second(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    begins = range(0, max(1, len(samples) - SAMPLE_RATE), SAMPLE_RATE // 10)
    return max((samples[begin : begin + SAMPLE_RATE] for begin in begins), key=lambda part: float(np.abs(part).mean()))


@NEEDS_ROOM
def test_what_is_played_in_the_room_is_recorded_at_that_time(room: Room) -> None:
    feed = AudioFeed()
    queue, silence_s = feed.subscribe(), 2.0
    chunks: list[AudioChunk] = []
    with Microphone(PULSE, feed) as microphone:
        assert microphone.status == "microphone pulse"
        # silence first, during which PulseAudio without a sound card finds its pace
        with room.play(tone(2.0, silence_s), SAMPLE_RATE) as player:
            wait_until(lambda: take(queue, chunks) > 0 and player.played_s[-1] > 0)
            said_s = player.played_s[round(silence_s / 0.02)]
            wait_until(lambda: take(queue, chunks) > said_s + 1.5)
    begins = np.array([chunk.at_s for chunk in chunks])
    heard_s = begins[next(place for place, chunk in enumerate(chunks) if np.abs(chunk.samples).max() > 0.1)]
    # there is a pipe between the player and the room
    assert said_s - 0.1 < heard_s < said_s + 0.4
    assert pitch(loudest_second(np.concatenate([chunk.samples[0] for chunk in chunks]))) == pytest.approx(440, abs=3)
    later = begins > said_s
    lengths_s = np.array([chunk.samples.shape[1] for chunk in chunks])[later] / SAMPLE_RATE
    assert begins[later][-1] - begins[later][0] == pytest.approx(lengths_s[:-1].sum(), abs=0.1)


@NEEDS_ROOM
@pytest.mark.timeout(90)
def test_a_microphone_that_is_lost_records_again_once_it_is_back(room: Room) -> None:
    feed = AudioFeed()
    queue = feed.subscribe()
    with Microphone(PULSE, feed) as microphone:
        room.close()
        wait_until(lambda: microphone.status == "microphone pulse lost, waiting for it")
        room.open()
        wait_until(lambda: microphone.status == "microphone pulse")
        queue.take_until(time.monotonic())
        wait_until(lambda: bool(queue.take_until(time.monotonic())))


@NEEDS_ROOM
@pytest.mark.parametrize(
    "suffix", [".mkv", pytest.param(".mp4", marks=pytest.mark.long), pytest.param(".webm", marks=pytest.mark.long)]
)
def test_a_live_recording_has_the_microphone(
    suffix: str, room: Room, tmp_path: Path, identity: Path, nst_live: NstLive
) -> None:
    with room.play(tone(20), SAMPLE_RATE), TcpStream(write_clip(tmp_path / "live.ts", count=150)) as sender:
        options = ["--style", identity, "--no-window", "--microphone", PULSE, "--frames", "100"]
        result = nst_live("-i", sender.url, *options, "-o", f"said{suffix}")
    assert result.code == 0, result.err
    assert "microphone pulse" in result.err
    samples = samples_of(Path(f"said{suffix}"))
    with av.open(f"said{suffix}") as container:
        last_s = max(float(picture.time or 0) for picture in container.decode(video=0))
    assert len(samples) / SAMPLE_RATE == pytest.approx(last_s, abs=SILENCE_AFTER_S + 0.3)
    assert pitch(loudest_second(samples)) == pytest.approx(TONE_HZ, abs=3)


@NEEDS_ROOM
@pytest.mark.skipif(no_nginx_reason() is not None, reason=str(no_nginx_reason()))
def test_the_microphone_is_streamed(room: Room, server: RtmpServer, identity: Path, nst_live: NstLive) -> None:
    options = ["--style", identity, "--no-window", "--microphone", PULSE, "--frames", "120"]
    with room.play(tone(30), SAMPLE_RATE):
        result = nst_live("-i", "test", "--size", "128x96", *options, "--stream", server.url)
    assert result.code == 0, result.err
    assert pitch(loudest_second(samples_of(server.recordings()[-1]))) == pytest.approx(TONE_HZ, abs=3)


@NEEDS_ROOM
def test_microphones_are_listed_and_one_that_does_not_exist_is_an_error(
    room: Room, tmp_path: Path, identity: Path, nst_live: NstLive
) -> None:
    assert "(pulse)" in nst_live("--list-microphones").out
    with TcpStream(write_clip(tmp_path / "live.ts")) as sender:
        result = nst_live("-i", sender.url, "--style", identity, "--no-window", "--microphone", "Bob's", "-o", "x.mp4")
    assert result.code == 3
    assert 'no microphone "Bob\'s" here; found: ' in result.complaint


def test_painting_a_file_into_a_file_takes_no_microphone(tmp_path: Path, identity: Path, nst_live: NstLive) -> None:
    result = nst_live("-i", write_clip(tmp_path / "c.mp4"), "-o", "x.mp4", "--style", identity, "--microphone")
    assert (result.code, "--microphone is for live input" in result.complaint) == (2, True)


def test_without_portaudio_the_error_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])  # which a spawned process inherits
    with pytest.raises(SourceError, match=r"a microphone needs PortAudio; type: pip install 'nst-live\[microphone\]'"):
        Microphone("", AudioFeed())


def live_frames(seconds: float, began_s: float) -> Iterator[Frame]:
    for index in range(round(seconds * 25)):
        yield Frame(numbered(index % 40), index, began_s + index / 25)


def chunk_of_tone(at_s: float, began_s: float) -> AudioChunk:
    """A tenth of a second of a tone that begins a second after `began_s`."""
    times_s = at_s + np.arange(SAMPLE_RATE // 10) / SAMPLE_RATE
    loud = np.where(times_s - began_s < 1, 0, 0.5 * np.sin(2 * np.pi * TONE_HZ * times_s))
    return AudioChunk(at_s, np.stack([loud, loud]).astype(np.float32))


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_recorded_audio_is_at_the_time_of_its_frames_with_silence_in_the_gaps(suffix: str, tmp_path: Path) -> None:
    path, feed, began_s = tmp_path / f"said{suffix}", AudioFeed(), 1000.0
    with FileRecorder(path, LIVE, encoding=Encoding(low_latency=True), audio=feed.subscribe()) as recorder:
        for frame in live_frames(4, began_s):
            at_s = frame.captured_at_s
            if frame.index % 5 == 0 and not 2 <= at_s - began_s < 3:
                for tenth in range(2):
                    feed.put(chunk_of_tone(at_s + tenth / 10, began_s))
            recorder.write(frame.pixels, frame)
    loud = np.abs(samples_of(path)).reshape(-1)
    tenths = [
        float(loud[begin : begin + SAMPLE_RATE // 10].mean()) > 0.05 for begin in range(0, len(loud), SAMPLE_RATE // 10)
    ]
    assert tenths[1:9] == [False] * 8
    assert tenths[11:19] == [True] * 8
    assert tenths[21:29] == [False] * 8
    assert tenths[31:37] == [True] * 6


def test_a_container_that_cannot_hold_audio_says_so(tmp_path: Path) -> None:
    with FileRecorder(tmp_path / "x.gif", LIVE, audio=AudioFeed().subscribe()) as recorder:
        assert recorder.notes == ("live audio is left out: .gif cannot hold any",)
        recorder.write(*next((frame.pixels, frame) for frame in live_frames(1, 0)))


def test_a_replay_has_the_audio_of_its_seconds(tmp_path: Path) -> None:
    feed, began_s = AudioFeed(), 1000.0
    with Replay(SIZE, Fraction(25), 2.0, feed.subscribe()) as replay:
        for frame in live_frames(6, began_s):
            if frame.index % 5 == 0:
                for tenth in range(2):
                    feed.put(chunk_of_tone(frame.captured_at_s + tenth / 10, began_s + 3.0))
            replay.write(frame.pixels, frame)
        seconds = replay.save(tmp_path / "replay.mp4")
    # silent until 4 s after the beginning, so for all but the last two of these seconds
    silent_s = seconds - 2
    loud = np.abs(samples_of(tmp_path / "replay.mp4"))
    first = int(np.argmax(loud > 0.2)) / SAMPLE_RATE
    assert first == pytest.approx(silent_s, abs=0.12)
    assert float(loud[round((first + 0.1) * SAMPLE_RATE) :].mean()) > 0.2
