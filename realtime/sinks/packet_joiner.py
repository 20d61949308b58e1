"""Joins segments that were encoded apart into one file, packet by packet, with the sound of the source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from realtime.frames import ClipRange
from realtime.media.encoders import Encoding
from realtime.media.video_encoder import Packet, VideoTrack
from realtime.sinks.recorder import FileRecorder, Recording, RecordingError
from styles.support.atomic_file import move_into_place


class PacketJoiner:
    """Writes packets into a file, which gets its name when it is whole.

    Args:
        path: the file.
        folder: where it lies until it is whole, on the same disk.
        track: the frames.
        encoding: how they were encoded.
        copy_from: the part of a file whose audio and other tracks are copied.

    `damage` says what of the audio was damaged, once it is joined.
    """

    def __init__(
        self, path: Path, folder: Path, track: VideoTrack, *, encoding: Encoding, copy_from: ClipRange | None
    ) -> None:
        self.path = path
        self.damage: Sequence[str] = ()
        self._joined = folder / f"joined{path.suffix}"
        self._track, self._encoding, self._copy_from = track, encoding, copy_from

    def rehearse(self) -> Sequence[str]:
        """Returns what the container cannot hold; what cannot be written at all is reported now, and not in hours.

        Raises:
            OutputError: the file cannot be created.
            EncodingError, EncoderUnavailableError: the encoder does not open.
        """
        with self._recorder() as recorder:  # it is thrown away, since nothing is in it
            return recorder.notes

    def join(self, packets: Iterable[Packet], *, to_audio_end: bool) -> Recording | None:
        """Writes all packets, in order of decoding, and the audio; returns the file, None if there are no packets.

        Args:
            packets: of all segments, one after the other.
            to_audio_end: whether audio that outlasts the video is copied too.

        Raises:
            RecordingError: the file cannot be written.
        """
        last_dts: int | None = None
        with self._recorder() as recorder:
            for packet in packets:
                # if the time between frames varies, an encoder that starts again may reach back a little
                if last_dts is not None and packet.dts is not None:
                    packet.dts = max(packet.dts, last_dts + 1)
                last_dts = packet.dts
                packet.time_base = self._track.time_base
                recorder.append(packet)
            if to_audio_end:
                recorder.finish_audio()
            self.damage = recorder.damage
        if recorder.recording is None:
            return None
        try:
            move_into_place(self._joined, self.path)
        except OSError as exc:
            raise RecordingError(f"cannot finish {self.path}: {exc.strerror or exc}") from exc
        return Recording(self.path, recorder.frame_count, whole=True)

    def _recorder(self) -> FileRecorder:
        return FileRecorder(self._joined, self._track, encoding=self._encoding, copy_from=self._copy_from)
