"""Gives a style encoder its eye: python -m tools.fit_eye ENCODER --paintings DIR … --photos DIR … -o OUT

Fits the eye to the loss network, then corrects what is predicted for each net, in two rounds, by what paintings of
--photos in the styles of --paintings lack, and trains the heads by what the eye sees in such paintings. The nets are
those that the heads of the encoder belong to: the shipped ones, or those of NST_LIVE_STYLES. The eye takes the place
of all that the encoder had.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval

from styles.encoder import Eye, StyleEncoder, encoder_arrays, encoder_from_weights, head_from_weights
from styles.encoder_weights import EncoderHead, EncoderWeights, load_encoder, save_encoder
from styles.network import TransformNet, network_from_weights
from styles.registry import network_path
from styles.support.readers import parse_count
from styles.support.terminal import print_line
from styles.training.base.draw import PAINTING_SIDE, PHOTO_SIDE, Drawer, Sizes
from styles.training.base.squares import load_squares, read_names, select_pictures
from styles.training.correction import correction, mean_jacobian, ridge_regression, strengths
from styles.training.eye import fit_eye
from styles.training.heads import HeadTraining, Sight, fit_sight
from styles.training.loss_network import LossNetwork, load_loss_network
from styles.training.loss_network_file import find_loss_network
from styles.training.memory import keep_freed_memory
from styles.training.pictures import encoder_input, read_picture
from styles.training.precision import autocast, memory_format
from styles.weights import file_sha256, load_network

_CROP, _BATCH = 256, 8
_WIDTHS = (48, 80, 96, 80, 64, 64)
_SEEN = 512
_FIT_BATCHES = 15
# Smaller photographs for Jacobians, each of which takes 512 backward passes.
_JACOBIAN_CROP = 160
# While heads are trained: the side of photographs, how many there are, styles a step.
_PAINTED_CROP, _PHOTOS, _TRAINING_BATCH = 128, 600, 16
_REPORT_STEPS = 50
# The second round goes half of its way, since a mean Jacobian overshoots in a few styles.
_ROUNDS = (1.0, 0.5)
_RIDGE = 30.0


@dataclass(frozen=True)
class Seen:
    """Style pictures as the encoder and the loss network see them.

    vectors: that the encoder as it was predicts, by the name of the net: N x K. statistics: N x S, of the new eye.
    wanted: N x 512, the strengths of relu4_1.
    """

    vectors: Mapping[str, Tensor]
    statistics: Tensor
    wanted: Tensor

    @property
    def weights(self) -> Tensor:
        """Pictures with strong maps do not decide alone: N."""
        return self.wanted.square().sum(dim=1).rsqrt()

    @torch.no_grad()
    def codes(self, eye: Eye) -> Tensor:
        """Returns the codes that the eye makes of them: N x code."""
        found: Tensor = eye.read(self.statistics)
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoder", type=Path, metavar="ENCODER", help="the file of a trained encoder")
    parser.add_argument("--paintings", type=Path, nargs="+", required=True, metavar="DIR", help="style pictures")
    parser.add_argument("--without", type=Path, metavar="FILE", help="names of paintings that are left out")
    parser.add_argument("--photos", type=Path, nargs="+", required=True, metavar="DIR", help="photographs to paint")
    parser.add_argument(
        "--pictures", type=parse_count, default=7500, metavar="N", help="of paintings, half of them whole (7500)"
    )
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
        files = select_pictures(arguments.paintings, without)
        photos, paintings = (
            load_squares(paths, folders, round(_CROP * side), Path(folder) / name)
            for name, paths, folders, side in (
                ("photos", select_pictures(arguments.photos), arguments.photos, PHOTO_SIDE),
                ("paintings", files, arguments.paintings, PAINTING_SIDE),
            )
        )
        drawer = Drawer(photos, paintings, Sizes(_BATCH, 0, 1, _CROP, moves=False), seed=0, whole_paintings=True)
        counts = Counts(arguments.pictures, arguments.painted, arguments.jacobians, arguments.steps)
        save_encoder(arguments.output, with_eye(weights, network, drawer, files, counts))
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


def with_eye(
    weights: EncoderWeights, network: LossNetwork, drawer: Drawer, paintings: Sequence[Path], counts: Counts
) -> EncoderWeights:
    """Returns the encoder with an eye and corrected heads.

    Args:
        weights: the encoder as it was.
        network: the loss network.
        drawer: draws photographs, and squares of the paintings.
        paintings: their files.
        counts: how much work it is.
    """
    encoder, eye = new_encoder(weights)
    steps = itertools.count()
    fitted = fit_eye(
        eye, network, lambda: drawer.draw(next(steps)).paintings, _FIT_BATCHES, torch.Generator().manual_seed(0)
    )
    for layer, left in fitted:
        print_line(f"relu{layer[0]}_{layer[1]}: {left:.1%} of its squares are not seen")
    whole = paintings[: counts.pictures // 2]
    squares = (drawer.draw(next(steps)).paintings for _ in range(len(whole), counts.pictures, _BATCH))
    seen = look(weights, eye, network, itertools.chain(map(whole_painting, whole), squares))
    set_reading(eye, seen)
    photos = (photo[None] for step in steps for photo in drawer.draw(step).photos)
    heads = {}
    for name, head in weights.heads.items():
        net = network_from_weights(load_network(network_path(name)))
        lay_out(net)
        print_line(f"the head of {name}")
        painter = Painter(net, network, eye, photos)
        better, jacobian = corrected(head, seen.vectors[name], painter, seen, counts)
        heads[name] = trained(better, jacobian, painter, seen, counts)
    return replace(weights, config=encoder.config, arrays=encoder_arrays(encoder.state_dict()), heads=heads)


def new_encoder(weights: EncoderWeights) -> tuple[StyleEncoder, Eye]:
    """Returns the encoder with an eye that begins with what the encoder's own first stage, or its eye, has learned."""
    encoder = StyleEncoder(replace(weights.config, eye=_WIDTHS, seen=_SEEN))
    old = encoder_from_weights(weights)
    encoder.requires_grad_(False).eval()
    lay_out(encoder)
    eye = cast(Eye, encoder.eye)
    if old.eye is not None:
        eye.stem.load_state_dict(old.eye.stem.state_dict())
        return encoder, eye
    stage = cast(nn.Sequential, old.convs[0])
    for i, conv in ((0, 0), (2, 3)):
        fused = fuse_conv_bn_eval(cast(nn.Conv2d, stage[conv]), cast(nn.BatchNorm2d, stage[conv + 1]))
        eye.stem[i].load_state_dict(fused.state_dict())
    return encoder, eye


def whole_painting(file: Path) -> Tensor:
    """Returns a painting as the encoder looks at users' pictures: sharper than a square that was scaled twice."""
    return encoder_input(read_picture(file)).contiguous(memory_format=torch.channels_last)


def lay_out(module: nn.Module) -> None:
    """Lays out the weights in the order that is fastest here."""
    order = memory_format(torch.device("cpu"))
    module.to(memory_format=order)  # type: ignore[call-overload]  # torch's stubs lack it


@torch.no_grad()
def look(weights: EncoderWeights, eye: Eye, network: LossNetwork, batches: Iterable[Tensor]) -> Seen:
    """Returns what is seen in batches of pictures, N x 3 x H x W in 0..1.

    Args:
        weights: the encoder as it was.
        eye: the new one.
        network: the loss network.
        batches: of pictures.
    """
    old = encoder_from_weights(weights)
    lay_out(old)
    found = []
    for pictures in batches:
        with autocast(pictures.device):
            found.append((old(pictures), eye.statistics(pictures), strengths(network, pictures)))
    codes, statistics, wanted = (torch.cat(parts) for parts in zip(*found, strict=True))
    vectors = {name: head_from_weights(head)(codes) for name, head in weights.heads.items()}
    return Seen(vectors, statistics, wanted)


@torch.no_grad()
def set_reading(eye: Eye, seen: Seen) -> None:
    """Lets the code be the main directions of the strengths and the style vectors that the statistics of the eye tell.

    The deviation of each is the root of its share: heads would else learn by heart what the last ones tell.
    """
    parts = []
    for wanted in (seen.wanted * seen.weights[:, None], *seen.vectors.values()):
        centred = wanted - wanted.mean(dim=0)
        parts.append(centred / centred.norm())
    linear, shift = ridge_regression(seen.statistics, torch.cat(parts, dim=1), torch.ones(len(seen.wanted)), _RIDGE)
    told = seen.statistics @ linear + shift
    parted = torch.linalg.svd(told - told.mean(dim=0), full_matrices=False)
    directions, shares = parted.Vh[: eye.read.out_features].T, parted.S[: eye.read.out_features] / parted.S[0]
    read = seen.statistics @ (linear @ directions)
    scale = shares.sqrt() / read.std(dim=0)
    eye.read.weight.copy_((linear @ directions * scale).T)
    eye.read.bias.copy_(-read.mean(dim=0) * scale)


@dataclass(frozen=True)
class Painter:
    """Paintings as the loss network and the eye see them, of photographs that are each 1 x 3 x H x W in 0..1."""

    net: TransformNet
    network: LossNetwork
    eye: Eye
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

    @torch.no_grad()
    def sight(self, vectors: Tensor) -> tuple[Sight, Tensor]:
        """Returns that of paintings in the styles of N vectors, and how much stronger large paintings are."""
        return fit_sight(self.eye, self.network, map(self._both_sizes, torch.split(vectors, _BATCH)))

    def _both_sizes(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        large = torch.cat([next(self.photos) for _ in vectors])
        with autocast(large.device):
            painted = [self.net(photos, vectors).float().clamp(0, 1) for photos in (cropped(large), large)]
        return painted[0], painted[1]

    def small_photos(self) -> tuple[Tensor, Tensor]:
        """Returns photographs to train on, and their strengths."""
        photos = cropped(torch.cat([next(self.photos) for _ in range(_PHOTOS)]))
        with torch.no_grad(), autocast(photos.device):
            return photos, torch.cat([strengths(self.network, part) for part in torch.split(photos, _BATCH)])


def cropped(photos: Tensor) -> Tensor:
    """Returns the part of photographs that heads are trained on."""
    return photos[:, :, :_PAINTED_CROP, :_PAINTED_CROP].contiguous(memory_format=torch.channels_last)


def trained(head: EncoderHead, jacobian: Tensor, painter: Painter, seen: Seen, counts: Counts) -> EncoderHead:
    """Returns the head after its training.

    Args:
        head: as it is.
        jacobian: the mean one.
        painter: paints with the head's net.
        seen: of the pictures.
        counts: how much work it is.
    """
    codes = seen.codes(painter.eye)
    # what the code tells and no more, or heads would learn by heart what it does not tell
    linear, shift = ridge_regression(codes, seen.wanted, seen.weights, _RIDGE)
    told = (codes @ linear + shift).clamp(min=0)
    sight, growth = painter.sight(head_from_weights(head)(codes[: counts.painted]))
    photos, unpainted = painter.small_photos()
    training = HeadTraining(head, painter.net, sight, codes, jacobian=jacobian, steps=counts.steps)
    generator = torch.Generator().manual_seed(0)
    for step in range(1, counts.steps + 1):
        styles = torch.randint(len(codes), (_TRAINING_BATCH,), generator=generator)
        shown = torch.randint(len(photos), (_TRAINING_BATCH,), generator=generator)
        loss = training.step(codes[styles], told[styles], photos[shown], growth * unpainted[shown])
        if step % _REPORT_STEPS == 0:
            print_line(f"step {step}: {loss:.3f}")
    return training.trained()


def corrected(
    head: EncoderHead, vectors: Tensor, painter: Painter, seen: Seen, counts: Counts
) -> tuple[EncoderHead, Tensor]:
    """Returns the head for the new codes after all rounds of corrections, and the mean Jacobian.

    Args:
        head: as it was.
        vectors: that it predicted, N x K.
        painter: paints with the head's net.
        seen: of the pictures.
        counts: how many of them are painted.
    """
    codes = seen.codes(painter.eye)
    linear, shift = ridge_regression(codes, vectors, seen.weights, _RIDGE)
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
