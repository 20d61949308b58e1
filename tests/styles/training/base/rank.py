"""One of the processes that train together, for test_ranks.py.

Type: python -m tests.styles.training.base.rank PICTURES LOSS_NETWORK FOLDER STEPS [alone] [float32]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import Mock

import torch

from styles.training import precision
from styles.training.base.ranks import ranks_here
from styles.training.base.trainer import Length
from styles.training.loss_network import load_loss_network
from tests.styles.training.base.conftest import new_trainer


def main(pictures: Path, loss_network: Path, folder: Path, steps: int, words: Sequence[str]) -> None:
    """Trains, goes on from a checkpoint if there is one, and writes the losses of this run."""
    torch.set_num_threads(1)
    ranks, found = ranks_here(), list[dict[str, float]]()
    if "float32" in words:
        precision.multiplies_bfloat16 = Mock(return_value=False)
    with ranks.joined(torch.device("cpu")):
        trainer = new_trainer(pictures, load_loss_network(loss_network), ranks, encoder_alone="alone" in words)
        # batch norms see the pictures of their process alone, so they use what they know
        trainer.model.encoder.eval()
        if (folder / "checkpoint.pt").exists():
            trainer.load(folder / "checkpoint.pt")
        trainer.run(Length(steps=steps), lambda progress: found.append(dict(progress.losses)))
        if ranks.is_first:
            trainer.save(folder / "checkpoint.pt")
            (folder / f"losses-{steps}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    words = sys.argv[1:]
    main(Path(words[0]), Path(words[1]), Path(words[2]), int(words[3]), words[4:])
