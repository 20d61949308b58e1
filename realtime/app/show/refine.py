"""What `--refine` needs, and what refines styles while a show goes on."""

from __future__ import annotations

import importlib.util
from contextlib import ExitStack

from realtime.app.nets import Catalog
from realtime.app.options.table import StyleOptions
from realtime.player.refined_style import RefiningPlan
from realtime.player.refining import Refiner
from styles.registry import user_folder
from styles.support.errors import UsageError
from styles.support.terminal import print_line
from styles.training.loss_network_file import MissingLossNetworkError, find_loss_network


def refining_plan(look: StyleOptions, catalog: Catalog) -> RefiningPlan | None:
    """Returns how styles are to be refined; None if they are not.

    Args:
        look: what was asked for.
        catalog: the styles of the show.

    Raises:
        UsageError: the net of the style has no vectors, or there is no folder of photographs.
        MissingLossNetworkError: PyTorch or the loss network is not installed.
    """
    minutes, first = look.refine_minutes, catalog.first
    if minutes is None:
        return None
    if not first.net.style_size:
        raise UsageError(f"--refine is for styles that share a net; {first.name!r} has a net of its own")
    if look.photos is not None and not look.photos.is_dir():
        raise UsageError(f"no folder of photographs at {look.photos}")
    if importlib.util.find_spec("torch") is None:
        raise MissingLossNetworkError('--refine needs PyTorch; type: pip install "nst-live[train]"')
    loss_network = find_loss_network(None)
    if first.picture is None:
        print_line("--refine waits for a style that is predicted from a picture, e.g. one made with k")
    return RefiningPlan(minutes, loss_network, user_folder(), look.photos)


def open_refiner(plan: RefiningPlan | None, stack: ExitStack) -> Refiner | None:
    """Returns what refines styles, None without a plan.

    Args:
        plan: how they are refined.
        stack: ends the training with the show, and prints what became of it.
    """
    if plan is None:
        return None
    refiner = Refiner(plan)

    def close() -> None:
        if line := refiner.close():
            print_line(line)

    stack.callback(close)
    return refiner
