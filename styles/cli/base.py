"""`nst-train base DIR …`: from the options to a training."""

from __future__ import annotations

import sys

import torch

from styles.architecture import CONFIGS
from styles.cli.common import check_style_scale, describe_pictures, device_named, loss_weights
from styles.cli.options import BaseLossOptions, BaseOptions, CommandLine, MachineOptions
from styles.support.errors import DONE, FAILED, INTERRUPTED, UsageError
from styles.training.base.job import BaseJob
from styles.training.base.ranks import RankLostError, Ranks, ranks_here
from styles.training.base.run import train_base
from styles.training.base.squares import read_names
from styles.training.base.trainer import BasePlan, Length
from styles.training.interrupts import TrainingStopped
from styles.training.loss_network_file import find_loss_network
from styles.training.memory import keep_freed_memory

# The encoder halves the resolution five times, and needs more than one place in the end.
_SMALLEST_CROP = 64


def run_base(line: CommandLine) -> str:
    """Trains, and returns the paths of the files that it leaves.

    Of the processes that torchrun has started, one speaks for all: the others end with the exit code alone.
    """
    ranks = ranks_here()
    if ranks.is_first:
        return _train(line, ranks)
    try:
        _train(line, ranks)
    except RankLostError:
        raise  # it speaks for the first, which is gone
    except TrainingStopped:
        sys.exit(INTERRUPTED)
    except Exception:
        sys.exit(FAILED)
    sys.exit(DONE)


def _train(line: CommandLine, ranks: Ranks) -> str:
    options, losses = line.of(BaseOptions), line.of(BaseLossOptions)
    check_style_scale(losses.style_scale)
    device = ranks.device(device_named(line.of(MachineOptions).device))
    _check(options, ranks.count)
    pictures = describe_pictures(options.styles, [path.stem for path in options.styles])
    plan = BasePlan(
        batch=options.batch,
        own_share=_own_share(options),
        encoder_alone=options.encoder_alone,
        crop=options.crop,
        learning_rate=options.learning_rate,
        seed=options.seed,
        style_scale=losses.style_scale,
        weights=loss_weights(losses, [picture.name for picture in pictures.values()]),
    )
    job = BaseJob(
        folder=options.folder,
        kinds=options.nets,
        pictures=pictures,
        photos=options.photos,
        paintings=options.paintings,
        without=read_names(options.without) if options.without else frozenset(),
        plan=plan,
        length=Length(options.steps, options.minutes, options.finish),
        command=line.recorded,
        device=device,
        init=options.init,
        checkpoint_minutes=options.checkpoint_minutes,
        ranks=ranks,
    )
    loss_network = find_loss_network(losses.loss_network)
    keep_freed_memory()
    if options.threads:
        torch.set_num_threads(options.threads)
    return "\n".join(map(str, train_base(job, loss_network)))


def _own_share(options: BaseOptions) -> float:
    return BasePlan.own_share if options.own_share is None else options.own_share


def _check(options: BaseOptions, processes: int) -> None:
    """Raises UsageError if options do not go together, or not with the number of processes that train together."""
    multiple = max(_SMALLEST_CROP // 8, *(CONFIGS[kind].size_multiple for kind in options.nets))
    if options.crop < _SMALLEST_CROP or options.crop % multiple:
        raise UsageError(f"--crop {options.crop}: expected a multiple of {multiple}, {_SMALLEST_CROP} and up")
    if options.encoder_alone and options.own_share is not None:
        raise UsageError("--encoder-alone paints no photograph in the given styles: leave out --own-share")
    if options.encoder_alone and options.init is None:
        raise UsageError("--encoder-alone needs nets that can paint: expected --init DIR with them")
    share = _own_share(options)
    own = BasePlan(batch=options.batch, own_share=share, encoder_alone=options.encoder_alone).own
    if not options.encoder_alone and not 0 < own < options.batch:
        raise UsageError(
            f"--own-share {share:g} of --batch {options.batch} are {own} photographs in the given styles; "
            "expected at least one, and one like a painting"
        )
    if own % processes or options.batch % processes:
        raise UsageError(
            f"--batch {options.batch} with --own-share {share:g} are {own} photographs in the given styles "
            f"and {options.batch - own} like paintings; expected multiples of {processes}, the number of processes"
        )
    if len(set(options.nets)) < len(options.nets):
        raise UsageError(f"--nets {' '.join(options.nets)}: expected each net once")
