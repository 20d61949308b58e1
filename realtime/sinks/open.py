"""Opens the sinks that were asked for, each behind a queue of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from realtime.audio.feed import AudioFeed, AudioQueue
from realtime.media.encoders import Encoding, EncodingError
from realtime.queues import LEAVE_TIMEOUT_S, QueuedSink, QueuePolicy, SinkQueue
from realtime.sinks.file_sound import FileSound
from realtime.sinks.for_programs import ProgramOutputs, open_for_programs
from realtime.sinks.parts import PartRecorder, PartTarget
from realtime.sinks.recorder import FileRecorder, Recording
from realtime.sinks.replay import Replay
from realtime.sinks.resumable_recorder import ResumableRecorder
from realtime.sinks.stream import REPEAT_S, Stream
from realtime.sinks.stream_process import StreamRate
from realtime.sources.base import SourceInfo, track_of

_Recorder: TypeAlias = FileRecorder | ResumableRecorder | PartRecorder


@dataclass(frozen=True)
class Outputs:
    """What painted frames are to be written into, besides the window.

    Args:
        file: the video file, or the pipe, to record into; None for none.
        encoding: how the file is encoded.
        fingerprint: what decides how the frames look, by name, for a file that is painted in segments so that an
            interrupted run can be continued; None for a file that is painted in one go.
        part: takes the part of the file that is painted, in place of the file; None for all of it, into the file.
        stream: the URL to stream to; None for no stream.
        stream_rate: the bit rate of the stream's video.
        virtual_camera: the name of a virtual camera, "" for any, None for none.
        ndi: the name of a source of NDI, "" for the usual one, None for none.
        replay_s: how many seconds the replay holds, 0 for no replay.
        audio_delay_s: how much later live audio is heard, in seconds; below 0 the virtual camera shows frames later.
    """

    file: Path | None = None
    encoding: Encoding = Encoding()  # noqa: RUF009 - frozen
    fingerprint: Mapping[str, str] | None = None
    part: PartTarget | None = None
    stream: str | None = None
    stream_rate: StreamRate = StreamRate()  # noqa: RUF009 - frozen
    virtual_camera: str | None = None
    ndi: str | None = None
    replay_s: float = 0.0
    audio_delay_s: float = 0.0

    @property
    def count(self) -> int:
        """How many outputs there are, without the replay."""
        return sum(each is not None for each in (self.file, self.stream, self.virtual_camera, self.ndi))


@dataclass(frozen=True)
class OpenSinks:
    """The sinks that are open.

    Args:
        queues: the outputs, each in a thread of its own.
        file_sound: plays the sound of a file to those of them that are live; None if that is not needed.
        recorder: the recorder behind one of them.
        replay: the replay behind one of them.
        notes: what the outputs cannot hold, one line each.
        stream: the stream behind one of them.
    """

    queues: Sequence[SinkQueue] = ()
    file_sound: FileSound | None = None
    recorder: _Recorder | None = None
    replay: Replay | None = None
    notes: Sequence[str] = ()
    stream: Stream | None = None

    @property
    def all(self) -> Sequence[QueuedSink]:
        """What the player writes into, in this order."""
        return (*(() if self.file_sound is None else (self.file_sound,)), *self.queues)

    @property
    def resume_state(self) -> ResumableRecorder | None:
        """What earlier runs have done, if the file is painted in segments."""
        return self.recorder if isinstance(self.recorder, ResumableRecorder) else None

    @property
    def recording(self) -> Recording | None:
        """What is left of the file once it is closed; None for nothing."""
        return None if self.recorder is None else self.recorder.recording

    @property
    def kept(self) -> Path | None:
        """The folder of what is painted if that can be continued; None if there is none."""
        return None if self.resume_state is None else self.resume_state.kept

    @property
    def failures(self) -> Sequence[str]:
        """Why sinks have ended before the show did."""
        return [queue.failure for queue in self.queues if queue.failure]

    @property
    def damage(self) -> Sequence[str]:
        """What was left out: frames, and what was damaged of the copied audio and subtitles, one line each."""
        return () if self.recorder is None else self.recorder.damage

    @property
    def left_out(self) -> int:
        """How many painted frames the file does not hold."""
        return self.recorder.left_out if isinstance(self.recorder, FileRecorder) else 0

    def finish(self, complete: bool) -> None:
        """Writes what is still waiting.

        Args:
            complete: whether the source was painted to its end, so that its audio is copied to its end too.

        Raises:
            Exception: whatever a sink that is essential has raised.
        """
        for queue in self.queues:
            queue.finish()
        if self.recorder is not None and complete:
            self.recorder.finish_audio()


def open_sinks(
    info: SourceInfo, outputs: Outputs, stack: ExitStack, *, audio: AudioFeed | None = None, watched: bool = False
) -> OpenSinks:
    """Opens sinks for the frames of a source.

    Args:
        info: what is known about the source.
        outputs: what to open.
        stack: closes the sinks.
        audio: live audio, which streams, replays and live recordings get.
        watched: whether there is a window. Without one, an error of the only output ends the run, and there is no
            replay, as nobody could save it.

    Raises:
        OutputError: the file cannot be created.
        EncoderUnavailableError: the encoder does not run here.
        VirtualCameraError: the virtual camera, or NDI, cannot be opened.
    """
    essential = not watched and outputs.count == 1
    queues: list[SinkQueue] = []
    recorder: _Recorder | None = None
    replay: Replay | None = None
    stream: Stream | None = None
    is_heard = outputs.stream is not None or outputs.ndi is not None
    file_sound = _open_file_sound(info, outputs, stack) if is_heard and audio is None else None
    audio = audio if file_sound is None else file_sound.feed
    wanted = ProgramOutputs(outputs.virtual_camera, outputs.ndi, max(0.0, -outputs.audio_delay_s))
    queues.extend(open_for_programs(info, wanted, stack, audio, essential=essential))
    if outputs.stream is not None:
        stream = Stream(outputs.stream, info.size, info.rate, _subscribe(audio), outputs.stream_rate)
        queues.append(_stream_queue(stack.enter_context(stream)))
    if outputs.file is not None:
        recorder = _open_recorder(outputs.file, info, outputs, audio if info.live else None)
        stack.enter_context(recorder)
        policy = QueuePolicy(lossless=not info.live, essential=essential)
        queues.append(SinkQueue(recorder, "recorder", policy, interrupt=recorder.interrupt))
    if watched and outputs.replay_s:
        replay = stack.enter_context(Replay(info.size, info.rate, outputs.replay_s, _subscribe(audio)))
        queues.append(SinkQueue(replay, "replay"))
    for queue in queues:
        stack.enter_context(queue)
    notes = () if recorder is None else tuple(f"{info.name}: {note}" for note in recorder.notes)
    return OpenSinks(tuple(queues), file_sound, recorder, replay, notes, stream)


def _stream_queue(stream: Stream) -> SinkQueue:
    policy = QueuePolicy(repeat_s=REPEAT_S, leave_within_s=LEAVE_TIMEOUT_S)
    return SinkQueue(stream, "stream", policy, status=lambda: stream.status, hurry=stream.hurry)


def _open_recorder(file: Path, info: SourceInfo, outputs: Outputs, audio: AudioFeed | None) -> _Recorder:
    track = track_of(info)
    try:
        if outputs.part is not None:
            return PartRecorder(file, track, encoding=outputs.encoding, target=outputs.part)
        if outputs.fingerprint is not None:
            return ResumableRecorder(
                file, track, encoding=outputs.encoding, copy_from=info.clip, fingerprint=outputs.fingerprint
            )
        encoding = replace(outputs.encoding, low_latency=info.live)
        return FileRecorder(
            file, track, encoding=encoding, copy_from=info.clip, audio=_subscribe(audio), endless=info.endless
        )
    except EncodingError as exc:
        raise EncodingError(f"cannot write {file}: {exc}") from exc


def _open_file_sound(info: SourceInfo, outputs: Outputs, stack: ExitStack) -> FileSound | None:
    """Returns what plays the sound of a file that is not played like a camera; None if it has none."""
    if info.live or info.clip is None:
        return None
    sound = FileSound(info.clip, info.rate, AudioFeed(outputs.audio_delay_s))
    stack.callback(sound.close)
    return sound if sound.available else None


def _subscribe(audio: AudioFeed | None) -> AudioQueue | None:
    """Returns a queue of live audio, if there is any."""
    return None if audio is None else audio.subscribe()
