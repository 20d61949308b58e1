"""Gives a style encoder its eye: python -m tools.fit_eye ENCODER --paintings DIR … --photos DIR … -o OUT

Fits the eye to the loss network, then corrects what is predicted for each net, in two rounds, by what paintings of
--photos in the styles of --paintings lack, and trains the heads by what the eye sees in such paintings. The nets are
those that the heads of the encoder belong to: the shipped ones, or those of NST_LIVE_STYLES. A new eye takes the place
of an old one.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval

from styles.encoder import Eye, StyleEncoder, encoder_arrays, encoder_from_weights
from styles.encoder_weights import EncoderHead, EncoderWeights, load_encoder, save_encoder
from styles.network import TransformNet, network_from_weights
from styles.registry import network_path
from styles.support.readers import parse_count
from styles.support.terminal import print_line
from styles.training.base.draw import PAINTING_SIDE, PHOTO_SIDE, Draw, Drawer, Sizes
from styles.training.base.squares import load_squares, read_names, select_pictures
from styles.training.correction import correction, mean_jacobian, ridge_regression, strengths
from styles.training.eye import fit_eye
from styles.training.heads import HeadTraining, eye_gram
from styles.training.loss_network import LossNetwork, load_loss_network
from styles.training.loss_network_file import find_loss_network
from styles.training.memory import keep_freed_memory
from styles.training.precision import autocast, memory_format
from styles.weights import file_sha256, load_network

_CROP, _BATCH = 256, 8
_WIDTHS = (48, 80, 96, 80, 64, 64)
_SEEN = 192
_FIT_BATCHES = 15
# Smaller photographs for Jacobians, each of which takes 512 backward passes.
_JACOBIAN_CROP = 160
# While heads are trained.
_PAINTED_CROP, _REPORT_STEPS = 160, 50
# The second round goes half of its way, since a mean Jacobian overshoots in a few styles.
_ROUNDS = (1.0, 0.5)
_RIDGE = 30.0


@dataclass(frozen=True)
class Seen:
    """Style pictures as the encoder and the loss network see them.

    codes: N x code, what the MLP makes. statistics: N x S, of the eye. wanted: N x 512, the strengths of relu4_1.
    """

    codes: Tensor
    statistics: Tensor
    wanted: Tensor

    @property
    def weights(self) -> Tensor:
        """Pictures with strong maps do not decide alone: N."""
        return self.wanted.square().sum(dim=1).rsqrt()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoder", type=Path, metavar="ENCODER", help="the file of a trained encoder")
    parser.add_argument("--paintings", type=Path, nargs="+", required=True, metavar="DIR", help="style pictures")
    parser.add_argument("--without", type=Path, metavar="FILE", help="names of paintings that are left out")
    parser.add_argument("--photos", type=Path, nargs="+", required=True, metavar="DIR", help="photographs to paint")
    parser.add_argument("--pictures", type=parse_count, default=7500, metavar="N", help="drawn of paintings (7500)")
    parser.add_argument("--painted", type=parse_count, default=2000, metavar="N", help="of them painted a round (2000)")
    parser.add_argument("--jacobians", type=parse_count, default=10, metavar="N", help="of how many the mean is (10)")
    parser.add_argument(
        "--steps", type=parse_count, default=2000, metavar="N", help="that heads are trained for (2000)"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the encoder's new file")
    arguments = parser.parse_args()
    if arguments.pictures < _SEEN:
        parser.error(f"--pictures {arguments.pictures}: expected {_SEEN} and more")
    weights = load_encoder(arguments.encoder)
    unknown = [net for net in weights.heads if not weights.knows(net, file_sha256(network_path(net)))]
    if unknown:
        parser.error(
            f"{arguments.encoder} is not for the nets here: {', '.join(unknown)}; set NST_LIVE_STYLES to its nets"
        )
    keep_freed_memory()
    network = load_loss_network(find_loss_network(None))
    network.prepare_training()
    without = read_names(arguments.without) if arguments.without else frozenset()
    with tempfile.TemporaryDirectory() as folder:
        photos, paintings = (
            load_squares(select_pictures(folders, left_out), folders, round(_CROP * side), Path(folder) / name)
            for name, folders, left_out, side in (
                ("photos", arguments.photos, frozenset(), PHOTO_SIDE),
                ("paintings", arguments.paintings, without, PAINTING_SIDE),
            )
        )
        drawer = Drawer(photos, paintings, Sizes(_BATCH, 0, 1, _CROP, moves=False), seed=0, whole_paintings=True)
        counts = Counts(arguments.pictures, arguments.painted, arguments.jacobians, arguments.steps)
        save_encoder(arguments.output, with_eye(weights, network, drawer, counts))
    print_line(str(arguments.output))


@dataclass(frozen=True)
class Counts:
    """How much work it is.

    pictures: are drawn. painted: of them in a round. jacobians: of how many the mean is. steps: that heads are trained
    for.
    """

    pictures: int
    painted: int
    jacobians: int
    steps: int


def with_eye(weights: EncoderWeights, network: LossNetwork, drawer: Drawer, counts: Counts) -> EncoderWeights:
    """Returns the encoder with an eye and corrected heads."""
    encoder, eye = new_encoder(weights)
    steps = itertools.count()
    fitted = fit_eye(
        eye, network, lambda: drawer.draw(next(steps)).paintings, _FIT_BATCHES, torch.Generator().manual_seed(0)
    )
    for layer, left in fitted:
        print_line(f"relu{layer[0]}_{layer[1]}: {left:.1%} of its squares are not seen")
    seen = look(encoder, eye, network, (drawer.draw(next(steps)).paintings for _ in range(0, counts.pictures, _BATCH)))
    set_reading(eye, seen)
    with torch.no_grad():
        codes = torch.cat([seen.codes, eye.read(seen.statistics)], dim=1)
    trainings = {}
    for name, head in weights.heads.items():
        net = network_from_weights(load_network(network_path(name)))
        lay_out(net)
        photos = (photo[None] for step in steps for photo in drawer.draw(step).photos)
        print_line(f"the head of {name}")
        better, jacobian = corrected(head, Painter(net, network, photos), codes, seen, counts)
        trainings[name] = HeadTraining(better, net, eye, codes, jacobian=jacobian, steps=counts.steps)
    for draw in map(drawer.draw, itertools.islice(steps, counts.steps)):
        train_step(encoder, eye, trainings, draw)
    heads = {name: training.trained() for name, training in trainings.items()}
    return replace(weights, config=encoder.config, arrays=encoder_arrays(encoder.state_dict()), heads=heads)


def new_encoder(weights: EncoderWeights) -> tuple[StyleEncoder, Eye]:
    """Returns the encoder with an eye that begins with what the encoder's own first stage has learned."""
    encoder = StyleEncoder(replace(weights.config, eye=_WIDTHS, seen=_SEEN))
    old = encoder_from_weights(weights)
    kept = {name: tensor for name, tensor in old.state_dict().items() if not name.startswith("eye.")}
    encoder.load_state_dict(kept, strict=False)
    encoder.requires_grad_(False).eval()
    lay_out(encoder)
    eye = cast(Eye, encoder.eye)
    stage = cast(nn.Sequential, old.convs[0])
    for i, conv in ((0, 0), (2, 3)):
        fused = fuse_conv_bn_eval(cast(nn.Conv2d, stage[conv]), cast(nn.BatchNorm2d, stage[conv + 1]))
        eye.stem[i].load_state_dict(fused.state_dict())
    return encoder, eye


def lay_out(module: nn.Module) -> None:
    """Lays out the weights in the order that is fastest here."""
    order = memory_format(torch.device("cpu"))
    module.to(memory_format=order)  # type: ignore[call-overload]  # torch's stubs lack it


@torch.no_grad()
def look(encoder: StyleEncoder, eye: Eye, network: LossNetwork, batches: Iterator[Tensor]) -> Seen:
    """Returns what is seen in batches of pictures, N x 3 x H x W in 0..1."""
    found = []
    for pictures in batches:
        with autocast(pictures.device):
            found.append((encoder.code_without_eye(pictures), eye.statistics(pictures), strengths(network, pictures)))
    return Seen(*(torch.cat(parts) for parts in zip(*found, strict=True)))


@torch.no_grad()
def set_reading(eye: Eye, seen: Seen) -> None:
    """Lets the eye add to the code the main directions of the strengths of relu4_1 that its statistics tell, each with
    a deviation of 1.
    """
    linear, shift = ridge_regression(seen.statistics, seen.wanted, seen.weights, _RIDGE)
    told = (seen.statistics @ linear + shift) * seen.weights[:, None]
    directions = torch.linalg.svd(told - told.mean(dim=0), full_matrices=False).Vh[: eye.read.out_features].T
    read = seen.statistics @ (linear @ directions)
    deviation = read.std(dim=0)
    eye.read.weight.copy_((linear @ directions / deviation).T)
    eye.read.bias.copy_(-read.mean(dim=0) / deviation)


@dataclass(frozen=True)
class Painter:
    """Paintings as the loss network sees them, of photographs that are each 1 x 3 x H x W in 0..1."""

    net: TransformNet
    network: LossNetwork
    photos: Iterator[Tensor]

    def jacobian(self, vectors: Tensor) -> Tensor:
        """Returns the mean over the styles of N vectors: 512 x K."""
        photos = [next(self.photos)[:, :, :_JACOBIAN_CROP, :_JACOBIAN_CROP] for _ in vectors]
        return mean_jacobian(self.net, self.network, photos, vectors)

    @torch.no_grad()
    def strengths(self, vectors: Tensor) -> Tensor:
        """Returns those of paintings in the styles of N vectors, the mean over two photographs: N x 512."""
        found = []
        for vector in vectors:
            photos = torch.cat([next(self.photos), next(self.photos)])
            with autocast(photos.device):
                painted = self.net(photos, vector[None]).float()
                found.append(strengths(self.network, painted).mean(dim=0))
        return torch.stack(found)


def train_step(encoder: StyleEncoder, eye: Eye, trainings: Mapping[str, HeadTraining], draw: Draw) -> None:
    """Trains all heads on the same pictures."""
    photos = draw.photos[:, :, :_PAINTED_CROP, :_PAINTED_CROP].contiguous(memory_format=torch.channels_last)
    with torch.no_grad(), autocast(photos.device):
        codes, wanted, unpainted = encoder(draw.paintings), eye_gram(eye, draw.paintings), eye_gram(eye, photos)
    losses = [f"{name} {training.step(codes, wanted, photos, unpainted):.3f}" for name, training in trainings.items()]
    done = max(training.done for training in trainings.values())
    if done % _REPORT_STEPS == 0:
        print_line(f"step {done}: {', '.join(losses)}")


def corrected(
    head: EncoderHead, painter: Painter, codes: Tensor, seen: Seen, counts: Counts
) -> tuple[EncoderHead, Tensor]:
    """Returns the head after all rounds of corrections, which also reads what the eye adds to the code, and the mean
    Jacobian.

    Args:
        head: of the encoder; an eye that it had is not read any more.
        painter: paints with the head's net.
        codes: of the pictures, N x (code + seen).
        seen: of the pictures.
        counts: how many of them are painted.
    """
    linear = torch.zeros(codes.shape[1], len(head.bias))
    linear[: seen.codes.shape[1]] = torch.from_numpy(head.weight[:, : seen.codes.shape[1]]).T
    shift = torch.from_numpy(head.bias).clone()
    jacobian = painter.jacobian((codes @ linear + shift)[: counts.jacobians])
    codes, wanted, weights = codes[: counts.painted], seen.wanted[: counts.painted], seen.weights[: counts.painted]
    for share in _ROUNDS:
        lacking = wanted - painter.strengths(codes @ linear + shift)
        print_line(f"off by {float((lacking * weights[:, None]).square().sum(dim=1).mean()):.1%}")
        more, shifted = ridge_regression(codes, correction(jacobian, lacking), weights, _RIDGE)
        linear, shift = linear + share * more, shift + share * shifted
    return EncoderHead(linear.T.contiguous().numpy(), shift.numpy(), head.network_sha256), jacobian


if __name__ == "__main__":
    main()
