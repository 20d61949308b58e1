"""Paints jobs on a Ray cluster."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from realtime.app.cluster.films import look_at
from realtime.app.cluster.progress import cluster_bar
from realtime.app.cluster.ray_cluster import RayCluster
from realtime.app.cluster.run import ClusterRun
from realtime.app.cluster.shipped_styles import backend_for, packed
from realtime.app.jobs import Job
from realtime.app.nets import catalog_for
from realtime.app.options.table import Options
from realtime.app.show.checks import check_playable, is_done

_LOOKED_AT_ONCE = 4


def paint_film(options: Options) -> int:
    """Paints one film into one file; returns the exit code. Raises what cannot be read, written or reached."""
    check_playable(options)
    if is_done(options):
        return 0
    assert options.output.output is not None
    (code,) = paint_on_ray(options, [Job(Path(options.source.input[0]), options.output.output)])
    return code


def paint_on_ray(options: Options, jobs: Sequence[Job]) -> Sequence[int]:
    """Paints files; returns their exit codes. One that fails stops no other, and is reported.

    Raises:
        RayUnavailableError: Ray or its cluster is not there.
        UnknownStyleError, MixError, BackendUnavailableError: nothing can be painted.
    """
    catalog = catalog_for(backend_for(options.look), options.look)
    styles = packed(catalog)
    with ExitStack() as stack:
        looks = stack.enter_context(ThreadPoolExecutor(_LOOKED_AT_ONCE, thread_name_prefix="look"))
        films = [looks.submit(look_at, job, options) for job in jobs]
        stack.callback(looks.shutdown, cancel_futures=True)
        cluster = stack.enter_context(RayCluster(options.cluster.ray or "", styles))
        counts = [film.result().frame_count for film in films if film.exception() is None]
        frames = None if None in counts else sum(count or 0 for count in counts)
        bar = stack.enter_context(cluster_bar(len(jobs), frames))
        run = ClusterRun(cluster, catalog, bar, ship=options.cluster.ray_ship)
        try:
            codes = run.paint(list(zip(jobs, films, strict=True)))
        finally:
            run.close()
    bar.conclude(run.painted)
    return codes
