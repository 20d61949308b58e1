"""The command `nst-train`: trains styles and base nets, paints by Gatys' slow method, evaluates."""

from __future__ import annotations

import importlib.util
import logging
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from styles.cli.options import (
    BaseLossOptions,
    BaseOptions,
    CommandLine,
    EvaluateOptions,
    ExportOptions,
    LossOptions,
    MachineOptions,
    PaintOptions,
    TrainingLossOptions,
    TrainOptions,
)
from styles.support.errors import INTERRUPTED, UNAVAILABLE, run_command
from styles.support.options import CommandParser, build_parser
from styles.support.terminal import closable_output, print_line


@dataclass(frozen=True)
class _Command:
    """A subcommand: its dataclasses of options by heading, and what --help says about it."""

    groups: Mapping[str, type]
    about: Mapping[str, str]

    def parser(self) -> CommandParser:
        return build_parser(self.groups, intermixed=True, **self.about)


# By first words; the empty one is for anything else, which is a style picture.
COMMANDS: Mapping[str, _Command] = {
    "": _Command(
        {"": TrainOptions, "losses": TrainingLossOptions, "this computer": MachineOptions},
        {
            "prog": "nst-train",
            "usage": "nst-train STYLE.jpg [STYLE.jpg ...] --photos DIR [options]",
            "description": "Trains a style from a picture: by default a vector on an existing net, in minutes. "
            "Several pictures make a net of their own, named by --name.",
            "epilog": "Also: nst-train paint PHOTO STYLE -o OUT (Gatys' slow method), nst-train evaluate STYLE ..., "
            "nst-train base DIR (nets for all styles, with their encoder); each has its own --help.",
        },
    ),
    "base": _Command(
        {"": BaseOptions, "losses": BaseLossOptions, "this computer": MachineOptions},
        {
            "prog": "nst-train base",
            "usage": "nst-train base DIR --styles STYLE.jpg ... --photos DIR ... --paintings DIR ... [options]",
            "description": "Trains nets that many styles share, the vectors of some styles, and one encoder that "
            "predicts vectors of these nets from any picture. It goes on until it is stopped; type the same command "
            "again to go on.",
            "epilog": "Also: nst-train base export DIR -o DIR writes nets, styles and encoder as nst-live reads them.",
        },
    ),
    "base export": _Command(
        {"": ExportOptions, "this computer": MachineOptions},
        {
            "prog": "nst-train base export",
            "description": "Writes the nets of a base training, their styles and the encoder as nst-live reads them.",
        },
    ),
    "paint": _Command(
        {"": PaintOptions, "losses": LossOptions, "this computer": MachineOptions},
        {
            "prog": "nst-train paint",
            "description": "Paints one photograph by the slow method of Gatys, Ecker and Bethge: the quick way to try "
            "out weights before a training. It prints the losses of the training before and after.",
        },
    ),
    "evaluate": _Command(
        {"": EvaluateOptions, "this computer": MachineOptions},
        {
            "prog": "nst-train evaluate",
            "description": "Measures styles. On photographs: the article's loss (style + content + tv), likeness to "
            "the style picture (relative Gram errors), what is left of the subject (structure), dots, frames, blobs "
            "and fringes; on videos: warping errors.",
            "epilog": "NAME=STYLE compares STYLE with the picture of that name. Structure is 1 if all of the subject "
            "is left. Artefact figures are 1 (shift and blobs: 0) if all is clean.",
        },
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `nst-train` and returns its exit code.

    Args:
        argv: the arguments without the program's name; by default those of this process.

    Returns:
        0 on success, 2 for a usage error, 3 for unreadable input, 4 if a package of the extra `train` is missing, 130
        if stopped, else 1.
    """
    line = parse(sys.argv[1:] if argv is None else argv)
    if importlib.util.find_spec("torch") is None:
        return _fail('this needs PyTorch; install it with: pip install "nst-live[train]"', UNAVAILABLE)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr, force=True)
    try:
        from styles.cli import commands
    except KeyboardInterrupt:
        return _fail("stopped", INTERRUPTED)
    except (ImportError, OSError) as exc:
        return _fail(f"PyTorch, or something else that this needs, is installed but does not load: {exc}", UNAVAILABLE)

    def run() -> int:
        result = commands.run(line)
        with closable_output():
            print_line(result, sys.stdout)
        return 0

    return run_command("nst-train", run, commands.EXIT_CODES, debug=line.of(MachineOptions).debug)


def parse(words: Sequence[str]) -> CommandLine:
    """Returns the command line that these words make.

    Raises:
        SystemExit: they are wrong, with the exit code 2.
    """
    found = [name for name in COMMANDS if list(words[: len(name.split())]) == name.split()]
    name = max(found, key=len)
    typed = COMMANDS[name].parser().typed(words[len(name.split()) :])
    return CommandLine(name, typed, shlex.join(["nst-train", *map(_recorded, words)]))


def _fail(text: str, code: int) -> int:
    print_line(f"nst-train: {text}")
    return code


def _recorded(word: str) -> str:
    """Returns a word as the metadata keep it: only the name of an absolute path, whose folder is nobody's business."""
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    return option + equals + (Path(value).name if Path(value).is_absolute() else value)


if __name__ == "__main__":
    sys.exit(main())
