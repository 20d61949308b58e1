"""Where aiortc and aioice are made to do what they offer no setting for. The tests of the peers fail if that ends.

Importing this changes the libraries for the whole process, but other connections than ours notice only that frames
arrive sooner.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import aioice.ice
import aiortc.rtcrtpreceiver
from aiortc import RTCRtpSender
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtp import RTCP_PSFB_APP, RTCP_PSFB_FIR, RTCP_PSFB_PLI, RtcpPsfbPacket, unpack_remb_fci

# The address that the connections of a context may use; None for what aioice takes by itself, which is a port on each
# network of the machine, and none on its loopback address.
OUR_ADDRESS: ContextVar[str | None] = ContextVar("our_address", default=None)
_all_addresses = aioice.ice.get_host_addresses


def _addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
    ours = OUR_ADDRESS.get()
    return _all_addresses(use_ipv4, use_ipv6) if ours is None else [ours]


class PromptJitterBuffer(JitterBuffer):
    """Gives a frame when its last packet is there. The original waits for the first one of the next frame."""

    def _remove_frame(self, sequence_number: int) -> JitterFrame | None:
        if not self._is_video:
            return super()._remove_frame(sequence_number)
        # packets that only fill the line, between frames
        while (first := self._packet(0)) is not None and not first._data:
            self.remove(1)
        packets: list[Any] = []
        while (packet := self._packet(len(packets))) is not None and len(packets) < self._capacity:
            if packets and packet.timestamp != packets[0].timestamp:
                break
            packets.append(packet)
            if packet.marker:
                self.remove(len(packets))
                return JitterFrame(b"".join(each._data for each in packets), packets[0].timestamp)
        return super()._remove_frame(sequence_number)

    def _packet(self, index: int) -> Any:
        """Returns a packet that waits, by its place behind the last frame; None if it has not come."""
        return None if self._origin is None else self._packets[(self._origin + index) % self._capacity]


def listen(sender: RTCRtpSender, ask_for_key: Callable[[], None], limit_to: Callable[[int], None]) -> None:
    """Passes on what a browser reports. A sender keeps that to itself, since it expects to encode the frames.

    Args:
        sender: of the video.
        ask_for_key: called when the browser needs a key frame.
        limit_to: called with the bits per second that its line takes.
    """
    handle = sender._handle_rtcp_packet

    async def observe(packet: Any) -> None:
        if isinstance(packet, RtcpPsfbPacket):
            if packet.fmt in {RTCP_PSFB_FIR, RTCP_PSFB_PLI}:
                ask_for_key()
            elif packet.fmt == RTCP_PSFB_APP:
                with suppress(ValueError):
                    limit_to(unpack_remb_fci(packet.fci)[0])
        await handle(packet)

    sender._handle_rtcp_packet = observe  # type: ignore[method-assign]


aioice.ice.get_host_addresses = _addresses
aiortc.rtcrtpreceiver.JitterBuffer = PromptJitterBuffer  # type: ignore[attr-defined]
