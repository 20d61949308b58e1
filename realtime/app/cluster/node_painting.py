"""Paints what a node was asked for, with as many threads as every node uses."""

from __future__ import annotations

import os
import socket
from dataclasses import replace

import cv2

from realtime import __version__
from realtime.app.cluster.delivery import Delivery
from realtime.app.cluster.orders import FileDone, Item, Order
from realtime.app.jobs import Job
from realtime.app.nets import Catalog
from realtime.app.photo_files import PhotoFilePainter
from realtime.app.play import play_with
from realtime.backends import BackendUnavailableError
from realtime.media.decoding import SourceError
from realtime.media.image_sequence import is_image_sequence
from styles.support.openvino_core import openvino_core

# How many threads paint one part. They are not as many as the node has: then it would depend on the node how a net adds
# up its numbers. A node paints as many parts at once as it has processors for.
THREADS = 2


def check_here(order: Order, *, sent: bool) -> None:
    """Raises BackendUnavailableError or SourceError if the order cannot be carried out on this node."""
    node = f"the node {socket.gethostname()}"
    if order.version != __version__:
        raise BackendUnavailableError(f"{node} has nst-live {__version__}; expected {order.version} on all nodes")
    if not (sent or order.source.exists() or is_image_sequence(order.source)):
        raise SourceError(f"{node} sees no {order.source}; put it where all nodes see it, or add --ray-ship")


def painted(job: Job, order: Order, catalog: Catalog, delivery: Delivery) -> Item:
    """Paints, and returns what came of it; a part of a film is delivered segment by segment.

    Args:
        job: the file here, and a file that is written here.
        order: what to paint.
        catalog: what to paint it in.
        delivery: takes how far it is.
    """
    options = job.options(order.options)
    options = replace(options, output=replace(options.output, resume=False))
    _limit_threads(catalog.choice.backend.name)
    if job.is_photo:
        with PhotoFilePainter(options, catalog) as painter:
            painter.paint(job, lambda _share: delivery.check())
        return FileDone(job.output.read_bytes())
    if order.part is None:
        code = play_with(options, catalog, delivery.bar)
        return FileDone(job.output.read_bytes(), code)
    code = play_with(options, catalog, delivery.bar, delivery)
    assert delivery.report is not None
    return replace(delivery.report, code=code)


def _limit_threads(backend: str) -> None:
    """Gives a part the threads that it has everywhere; where several parts run at once, the system moves them about."""
    cv2.setNumThreads(1)
    if backend == "openvino":
        alone = (os.cpu_count() or 1) <= THREADS
        openvino_core().set_property("CPU", {"INFERENCE_NUM_THREADS": THREADS, "ENABLE_CPU_PINNING": alone})
