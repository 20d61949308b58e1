"""What runs on a node of a cluster: one part of a film is painted, or one file; nothing here knows Ray."""

from __future__ import annotations

import queue
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, cast

import numpy as np
from numpy.typing import NDArray

from realtime.app.cluster.delivery import Delivery
from realtime.app.cluster.node_painting import check_here, painted
from realtime.app.cluster.orders import Item, LinePrinted, Order, OrderRefused
from realtime.app.cluster.shipped_styles import ShippedStyles
from realtime.app.exit_codes import explain_file
from realtime.app.jobs import Job
from realtime.queues import StoppedError, Stopping

_POLL_S = 0.5


def carry_out(
    order: Order, styles: ShippedStyles, file: NDArray[np.uint8] | None = None, scratch: Path | None = None
) -> Iterator[Item]:
    """Paints what was ordered; yields what becomes of it. Left early, it stops.

    Args:
        order: what to paint.
        styles: what to paint it in.
        file: the bytes of the file; None if it is where the order says.
        scratch: the folder for temporary files; None for the system's.
    """
    items: queue.Queue[Item | None] = queue.Queue()
    stopping = Stopping()

    def work() -> None:
        try:
            with tempfile.TemporaryDirectory(prefix="nst-live-", dir=scratch) as folder:
                _paint_in(Path(folder), order, styles, file, Delivery(items.put, stopping, order.part))
        except StoppedError:
            pass
        except Exception as exc:
            items.put(OrderRefused(*explain_file(exc)))
        finally:
            items.put(None)

    thread = threading.Thread(target=work, name="order", daemon=True)
    thread.start()
    try:
        while True:
            try:
                item = items.get(timeout=_POLL_S)
            except queue.Empty:
                continue  # who cancels the order is heard between two of these
            if item is None:
                return
            yield item
    finally:
        stopping.stop()
        thread.join()


def _paint_in(
    folder: Path, order: Order, styles: ShippedStyles, file: NDArray[np.uint8] | None, delivery: Delivery
) -> None:
    """Paints what was ordered, with a folder for what is needed meanwhile, whose files nobody else has heard of."""
    job = Job(order.source if file is None else folder / order.source.name, folder / f"painted{order.output.suffix}")

    def known(text: str) -> str:
        return text.replace(str(job.source), str(order.source)).replace(str(job.output), str(order.output))

    try:
        with _reported_lines(lambda line: delivery.put(LinePrinted(known(line)))):
            check_here(order, sent=file is not None)
            if file is not None:
                file.tofile(job.source)
            item = painted(job, order, styles.unpacked(folder), delivery)
    except StoppedError:
        raise
    except Exception as exc:
        code, text = explain_file(exc)
        item = OrderRefused(code, known(text))
    delivery.put(item)


@contextmanager
def _reported_lines(take: Callable[[str], None]) -> Iterator[None]:
    """Passes on what is printed inside."""
    before = sys.stderr
    sys.stderr = cast(TextIO, _Lines(take))
    try:
        yield
    finally:
        sys.stderr = before


class _Lines:
    """A text stream that passes on whole lines."""

    def __init__(self, take: Callable[[str], None]) -> None:
        self._take, self._rest = take, ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._take(line)
        return len(text)

    def flush(self) -> None:
        """Nothing is held back but half lines."""
