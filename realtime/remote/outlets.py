"""What goes to the browsers that use a page, and what comes from them."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field

from realtime.queues import SinkQueue
from realtime.sinks.jpeg_frames import JpegFrames, open_jpeg_queue
from realtime.sinks.web_video import WebVideo, open_web_video_queue
from realtime.sources.browser_camera import BrowserFeed


@dataclass(frozen=True)
class Outlets:
    """What a show and its server share.

    Args:
        frames: the painting as JPEGs.
        video: the painting for those who watch by WebRTC.
        feed: what a browser's camera sends.
    """

    frames: JpegFrames = field(default_factory=JpegFrames)
    video: WebVideo = field(default_factory=WebVideo)
    feed: BrowserFeed = field(default_factory=BrowserFeed)

    def open_queues(self, stack: ExitStack) -> tuple[SinkQueue, ...]:
        """Returns what takes the painted frames; closed by `stack`."""
        queues = (open_jpeg_queue(self.frames), open_web_video_queue(self.video))
        return tuple(map(stack.enter_context, queues))
