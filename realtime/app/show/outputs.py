"""Opens where the painted frames go, the window aside."""

from __future__ import annotations

from contextlib import ExitStack

from realtime.app.show.fingerprint import film_fingerprint
from realtime.app.show.parts import ShowParts
from realtime.app.show.target import encoding_of
from realtime.sinks.open import OpenSinks, Outputs, open_sinks
from realtime.sinks.stream_process import StreamRate
from styles.support.terminal import print_line

_BITS_PER_KBIT = 1000


def open_outputs(show: ShowParts, stack: ExitStack) -> OpenSinks:
    """Opens the sinks, and prints what there is to say about them.

    Args:
        show: what was asked for, and what is open.
        stack: closes them.

    Raises what `open_sinks` raises.
    """
    options, on_air, info = show.options, show.options.on_air, show.source.info
    outputs = Outputs(
        file=show.target.file,
        encoding=encoding_of(options),
        fingerprint=(
            film_fingerprint(options, show.catalog, show.net.painter.description) if options.output.resume else None
        ),
        part=show.part,
        stream=on_air.stream,
        stream_rate=StreamRate(
            None if on_air.bitrate is None else _BITS_PER_KBIT * on_air.bitrate, on_air.constant_bitrate
        ),
        virtual_camera=on_air.virtual_cam,
        ndi=on_air.ndi,
        replay_s=options.screen.replay,
        audio_delay_s=on_air.audio_delay_s,
    )
    sinks = open_sinks(info, outputs, stack, audio=show.input.audio, watched=show.is_watched)
    for note in sinks.notes:
        print_line(note)
    if sinks.resume_state is not None and sinks.resume_state.done:
        print_line(f"{info.name}: {sinks.resume_state.done} frames are painted already")
    return sinks
