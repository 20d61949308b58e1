"""One run over many files: gives out the orders, saves what comes back, and joins the parts of films."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from realtime.app.cluster.errors import NodeLostError
from realtime.app.cluster.films import Film
from realtime.app.cluster.orders import FileDone, Item, LinePrinted, Order, OrderRefused, Painted, SegmentDone
from realtime.app.cluster.outputs import FilmOutput
from realtime.app.cluster.progress import ClusterBar
from realtime.app.cluster.ray_cluster import RayCluster, RunningOrder
from realtime.app.exit_codes import explain_file
from realtime.app.jobs import Job
from realtime.app.nets import Catalog
from realtime.sinks.parts import PartReport
from styles.support.errors import FAILED
from styles.support.terminal import print_line

# A part whose node is lost is painted on another one; one that so many nodes have died of is not.
_MOST_ATTEMPTS = 4
# So many orders wait beside those that can run, so that no node idles, and a cluster that can grow sees that it should.
_WAITING_SHARE = 1
_POLL_S = 0.5
_NODES_EVERY_S = 2.0


@dataclass
class _Piece:
    """A part of an output on its way: how often it was begun, and how many of its frames are painted."""

    output: FilmOutput
    part: int
    attempts: int = 0
    frames: int = 0


class ClusterRun:
    """One run over many files.

    Args:
        cluster: paints.
        catalog: the styles.
        bar: shows how far it is.
        ship: whether files are sent to the nodes.
    """

    def __init__(self, cluster: RayCluster, catalog: Catalog, bar: ClusterBar, *, ship: bool) -> None:
        self._cluster, self._catalog, self._bar, self._ship = cluster, catalog, bar, ship
        self._waiting: deque[_Piece] = deque()
        self._running: dict[RunningOrder, _Piece] = {}
        self._joins: dict[Future[int], FilmOutput] = {}
        self._joiner = ThreadPoolExecutor(1, thread_name_prefix="join")
        self._open: list[FilmOutput] = []
        self._sent: dict[FilmOutput, object] = {}
        self._codes: list[int] = []
        self._painted = self._earlier = 0
        self._nodes, self._slots, self._counted_at_s = 0, 1, 0.0

    def paint(self, films: Sequence[tuple[Job, Future[Film]]]) -> Sequence[int]:
        """Paints films; returns their exit codes, in no order."""
        left = deque(films)
        while left or self._waiting or self._running or self._joins:
            self._count_nodes()
            while left and len(self._running) + len(self._waiting) < self._most_orders:
                self._open_film(*left.popleft())
            while self._waiting and len(self._running) < self._most_orders:
                self._begin(self._waiting.popleft())
            if self._running:
                for order in self._cluster.ready(list(self._running), _POLL_S):
                    self._take(order)
            elif self._joins:
                time.sleep(_POLL_S / 10)
            self._collect_joined()
            self._bar.show(self._painted + sum(piece.frames for piece in self._running.values()), self._nodes)
        return self._codes

    def close(self) -> None:
        """Keeps what is painted, and stops the rest."""
        with suppress(Exception):  # a cluster that is gone must not keep what is painted from being kept
            self._cluster.end(list(self._running))
        self._joiner.shutdown(cancel_futures=True)
        kept = sum(output.kept for output in self._open)
        for output in self._open:
            output.close()
        if kept:
            films = "a film is" if kept == 1 else f"{kept} films are"
            print_line(f"what is painted of {films} kept beside the output; the same command continues from there")

    @property
    def painted(self) -> int:
        """How many frames this run has painted; a photograph is one."""
        return self._painted - self._earlier

    @property
    def _most_orders(self) -> int:
        return (1 + _WAITING_SHARE) * max(1, self._slots)

    def _count_nodes(self) -> None:
        if time.monotonic() - self._counted_at_s >= _NODES_EVERY_S:
            self._nodes, self._slots = self._cluster.nodes, self._cluster.slots
            self._counted_at_s = time.monotonic()

    def _open_film(self, job: Job, look: Future[Film]) -> None:
        try:
            film = look.result()
            fingerprint: Mapping[str, str] = film.fingerprint(self._catalog) if film.parts else {}
            output = FilmOutput(film, fingerprint)
        except Exception as exc:
            self._fail(job, *explain_file(exc))
            return
        self._open.append(output)
        self._painted += output.done_frames
        self._earlier += output.done_frames
        self._waiting.extend(_Piece(output, part) for part in output.left)
        if not output.left:
            self._join(output)

    def _begin(self, piece: _Piece) -> None:
        output, film = piece.output, piece.output.film
        if output not in self._open:
            return
        span = film.parts[piece.part] if film.parts else None
        try:
            if self._ship and output not in self._sent:
                self._sent[output] = self._cluster.ship(film.job.source)
            order = Order(film.job.source.absolute(), film.job.output, film.options, span)
            piece.attempts += 1
            self._running[self._cluster.begin(order, self._sent.get(output))] = piece
        except OSError as exc:
            self._fail_output(output, *explain_file(exc))

    def _take(self, order: RunningOrder) -> None:
        """Takes what has come back of an order."""
        piece = self._running[order]
        try:
            item = self._cluster.take(order)
            if item is not None and piece.output in self._open:
                self._use(piece, item)
            elif item is None and piece.part in piece.output.left:
                raise NodeLostError("it ended early")
            if item is None:
                del self._running[order]
        except NodeLostError as exc:
            del self._running[order]
            self._begin_again(piece, exc)
        except Exception as exc:
            del self._running[order]
            self._cluster.cancel(order)
            self._fail_output(piece.output, *explain_file(exc))

    def _use(self, piece: _Piece, item: Item) -> None:
        output = piece.output
        name, seen = str(output.film.job.source), str(output.film.job.source.absolute())
        match item:
            case Painted(frames):
                piece.frames = frames
            case LinePrinted(text):
                print_line(text.replace(seen, name))
            case SegmentDone(data):
                output.add(piece.part, data)
            case PartReport():
                self._painted += item.frames
                piece.frames = 0
                output.finish_part(piece.part, item)
                if not output.left:
                    self._join(output)
            case FileDone(data, code):
                output.write(data)
                self._painted += max(1, piece.frames)
                piece.frames = 0
                self._finish(output, code)
            case OrderRefused(code, text):
                self._fail_output(output, code, text.replace(seen, name))

    def _begin_again(self, piece: _Piece, reason: NodeLostError) -> None:
        output = piece.output
        if output not in self._open or piece.part not in output.left:
            return
        if piece.attempts >= _MOST_ATTEMPTS:
            self._fail_output(output, FAILED, f"{piece.attempts} nodes were lost while they painted it ({reason})")
            return
        print_line(f"{output.film.job.source}: a node was lost ({reason}); its part is painted again")
        piece.frames = 0
        output.restart(piece.part)
        self._waiting.appendleft(piece)

    def _join(self, output: FilmOutput) -> None:
        self._joins[self._joiner.submit(output.join)] = output

    def _collect_joined(self) -> None:
        for future in [future for future in self._joins if future.done()]:
            output = self._joins.pop(future)
            error = future.exception()
            if error is None:
                self._finish(output, future.result())
            elif isinstance(error, Exception):
                self._fail_output(output, *explain_file(error))
            else:
                raise error

    def _finish(self, output: FilmOutput, code: int) -> None:
        self._close_output(output)
        self._codes.append(code)
        job = output.film.job
        self._bar.finished(f"{job.source} into {job.output}", failed=code != 0)

    def _fail_output(self, output: FilmOutput, code: int, line: str) -> None:
        if output not in self._open:
            return
        self._close_output(output)
        for order, piece in self._running.items():
            if piece.output is output:
                self._cluster.cancel(order)
        self._waiting = deque(piece for piece in self._waiting if piece.output is not output)
        self._fail(output.film.job, code, line)

    def _close_output(self, output: FilmOutput) -> None:
        self._open.remove(output)
        self._sent.pop(output, None)
        output.close()

    def _fail(self, job: Job, code: int, line: str) -> None:
        self._codes.append(code)
        self._bar.finished(f"{job.source} failed", failed=True)
        print_line(f"nst-live: {line}" if str(job.source) in line else f"nst-live: {job.source}: {line}")
