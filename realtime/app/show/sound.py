"""Lets a show follow its sound: that of a microphone, of a stream, or of the file that is painted."""

from __future__ import annotations

from realtime.app.show.inputs import OpenInput
from realtime.audio.hearing import ClipSound, FeedSound, Hearing
from realtime.player.reaction import Reaction
from styles.support.terminal import print_line


def reaction_to(opened: OpenInput) -> Reaction:
    """Returns how a show follows the sound of its input; nothing is listened to before it is asked for."""
    source = opened.source

    def listen(at_s: float) -> Hearing | None:
        if opened.audio is not None:
            return Hearing(FeedSound(opened.audio))
        if not source.live and source.info.clip is not None:
            sound = ClipSound(source.info.clip, at_s, lambda: source.clip_begins_s)
            if sound.available:
                return Hearing(sound)
            sound.close()
        print_line(f"{source.info.name} has no sound to follow; a camera is heard with --microphone")
        return None

    return Reaction(listen, float(1 / source.rate))
