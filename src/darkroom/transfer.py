"""What a network takes over from another one, so that training need not begin at nothing.

Two networks of one architecture may differ in what the data settle: resolution, channels, classes.
A tensor of the same shape is taken as it is. Where channels or classes differ it is made of the old
one, so that the new network begins by doing what the old one did:

- RGB of grey: the generator draws the grey three times, and the discriminator, whose weights are
  divided by three, says of a grey image what it said before. Grey of RGB is the mean, and is judged
  as the RGB image with that grey. New transparency is drawn half-way and not looked at.
- Other classes: each begins as the mean of the old ones. Classes where there were none: neither
  player heeds them yet. No classes where there were some: the latents alone, as for a class of 0.

Layers of a sequence are matched in their order, as many weights as fit. Where several matches are
equal, levels that only the new network has go next to the image, where residual ones change least.

Source: Wang et al. 2018 (Transferring GANs), arXiv 1805.01677, for taking both players over.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

POWER_STEPS = 50  # until the largest singular value of a changed weight is known well
ESTIMATES = ("._u", "._v")  # the singular vectors that a spectral norm keeps beside a weight
FROM_IMAGES = {"discriminator", "encoder"}  # other sequences begin with the latents


@dataclass(frozen=True)
class Transfer:
    """What a network took over, by the names of its tensors.

    Attributes:
        network: What it is called in its system.
        taken: What is as it was.
        adapted: What is made of the old, and how.
        fresh: What begins anew.
        left_out: What the old network had and the new one has no place for.
        share: Share of the parameters that are taken or adapted, within 0..1.
    """

    network: str
    taken: list[str]
    adapted: dict[str, str]
    fresh: list[str]
    left_out: list[str]
    share: float

    def __str__(self) -> str:
        share = f"{self.share:.1%} of the parameters"
        lines = [f"{self.network:<14} {len(self.taken)} tensors taken over, in all {share}"]
        adapted = {_layer_of(name): how for name, how in self.adapted.items()}
        lines += [f"  {'adapted':<12} {layer}: {how}" for layer, how in adapted.items()]
        for title, names in (("fresh", self.fresh), ("left out", self.left_out)):
            if names:
                levels = dict.fromkeys(map(_level_of, names))
                lines.append(f"  {title:<12} {', '.join(levels)}")
        return "\n".join(lines)


@torch.no_grad()
def transfer(
    name: str, source: nn.Module, target: nn.Module, channels: tuple[int, int]
) -> Transfer:
    """Puts into a network what another one of its architecture has learnt.

    Only tensors are taken over: how long something had been trained is not.

    Args:
        name: What the network is called in its system: generator, discriminator, network, prior.
        source: What is taken over from; it stays as it is.
        target: What takes over.
        channels: Channels of the images of both.
    """
    change = _Change(_colours(*channels), _code_lengths(source, target))
    before, origins = _tensors(source), dict(change.origins(name, source, target))
    taken: list[str] = []
    adapted: dict[str, str] = {}
    fresh: list[str] = []
    for each, tensor in _tensors(target).items():
        old = before[origins[each]] if each in origins else None
        if old is not None and old.shape == tensor.shape:
            tensor.copy_(old)
            taken.append(each)
        elif each.endswith(ESTIMATES):
            continue
        elif made := change.made(target, each, old, tensor):
            adapted[each], new = made
            tensor.copy_(new)
        else:
            fresh.append(each)
    for layer in dict.fromkeys(map(_layer_of, (*adapted, *fresh))):
        _estimate_norm(target.get_submodule(layer))
    used = {origins[each] for each in (*taken, *adapted) if each in origins}
    left_out = [each for each in before if each not in used and not each.endswith(ESTIMATES)]
    sizes = {each: weight.numel() for each, weight in target.named_parameters()}
    share = 1 - sum(sizes.get(each, 0) for each in fresh) / max(sum(sizes.values()), 1)
    return Transfer(name, taken, adapted, fresh, left_out, share)


@dataclass(frozen=True)
class _Change:
    """In what two networks may differ so that one can go on from the other.

    Attributes:
        colours: How much of each old channel goes into each new one, [new, old].
        code_lengths: Lengths of what both generators start from: latents, or latents and a class.
    """

    colours: Tensor
    code_lengths: tuple[int, int]

    def origins(self, path: str, source: nn.Module, target: nn.Module) -> Iterator[tuple[str, str]]:
        """The names of the target's tensors, each beside that of the one it comes from."""
        own = (*target.named_parameters(recurse=False), *target.named_buffers(recurse=False))
        there = source.state_dict()
        yield from ((name, name) for name, _ in own if name in there)
        for new, old in self._matched(path, source, target):
            parts = source.get_submodule(old), target.get_submodule(new)
            for below, origin in self.origins(f"{path}.{new}", *parts):
                yield f"{new}.{below}", f"{old}.{origin}"

    def made(
        self, network: nn.Module, name: str, old: Tensor | None, new: Tensor
    ) -> tuple[str, Tensor] | None:
        """What a tensor becomes that cannot be taken as it is, after how; None if it stays."""
        if old is None:
            judges_classes = name == "projection.embedding.weight"
            return ("zeros: no class is heeded yet", 0 * new) if judges_classes else None
        axes = [k for k in range(new.ndim) if old.ndim != new.ndim or old.size(k) != new.size(k)]
        if len(axes) != 1:
            return None
        (axis,) = axes
        sizes = old.size(axis), new.size(axis)
        layer = network.get_submodule(_layer_of(name))
        upwards = isinstance(layer, nn.ConvTranspose2d) and new.ndim > 1
        outputs, inputs = (1, 0) if upwards else (0, 1)
        if isinstance(layer, nn.Embedding) and axis == 0:
            return f"classes {sizes[0]} -> {sizes[1]}, each the mean", old.mean(0).expand_as(new)
        if sizes == self.code_lengths and axis == inputs:
            how = "zeros: no class is heeded yet" if sizes[0] < sizes[1] else "the latents alone"
            return how, _resized(old, axis, sizes[1])
        if sizes == self.colours.T.shape and axis in (outputs, inputs):
            drawn = axis == outputs
            mixed = self.colours if drawn else torch.linalg.pinv(self.colours).T
            how = f"channels {sizes[0]} -> {sizes[1]}, {'drawn' if drawn else 'judged'} alike"
            if sizes[0] % 2 > sizes[1] % 2:
                how += ", transparency zero"
            return how, torch.tensordot(mixed.to(old), old, ([1], [axis])).movedim(0, axis)
        return None

    def _matched(self, path: str, source: nn.Module, target: nn.Module) -> list[tuple[str, str]]:
        """Names of the target's children, each beside that of the one it goes on from."""
        if not isinstance(target, nn.Sequential):
            there = dict(source.named_children())
            return [(name, name) for name, _ in target.named_children() if name in there]
        begins_with_images = not FROM_IMAGES.isdisjoint(path.split("."))
        order = -1 if begins_with_images else 1
        old, new = (
            [(name, child) for name, child in network.named_children() if child.state_dict()][
                ::order
            ]
            for network in (source, target)
        )

        @cache
        def best(i: int, j: int) -> tuple[int, tuple[tuple[str, str], ...]]:
            """The most weights that can be matched from the old layer i and the new layer j on."""
            if i == len(old) or j == len(new):
                return 0, ()
            choices = [best(i, j + 1), best(i + 1, j)]
            if self._fits(old[i][1], new[j][1]):
                weights, pairs = best(i + 1, j + 1)
                size = sum(tensor.numel() for tensor in new[j][1].state_dict().values())
                choices.insert(0, (weights + size, ((new[j][0], old[i][0]), *pairs)))
            return max(choices, key=lambda choice: choice[0])  # the first of equals

        return list(best(0, 0)[1])

    def _fits(self, source: nn.Module, target: nn.Module) -> bool:
        """Whether each tensor of a layer can be taken over into another layer."""
        old, new = source.state_dict(), target.state_dict()
        return (
            type(source).__name__ == type(target).__name__  # a spectral norm makes new classes
            and old.keys() == new.keys()
            and all(
                old[name].shape == tensor.shape
                or name.endswith(ESTIMATES)
                or self.made(target, name, old[name], tensor) is not None
                for name, tensor in new.items()
            )
        )


def _tensors(network: nn.Module) -> dict[str, Tensor]:
    """Its state without numbers of other kinds, such as the time of a running mean."""
    return {name: t for name, t in network.state_dict().items() if isinstance(t, Tensor)}


def _colours(before: int, after: int) -> Tensor:
    """What new channels are made of, [after, before]: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA.

    The discriminator looks through the pseudoinverse: what is made of an image is judged as it was.
    """
    old, new = (1 if channels < 3 else 3 for channels in (before, after))
    colour = torch.eye(old) if old == new else torch.ones(new, old) / old
    alpha = torch.ones(after - new, before - old)
    return torch.block_diag(colour, alpha)


def _code_lengths(source: nn.Module, target: nn.Module) -> tuple[int, int]:
    """What both generators start from, if their latents are equally long; 0 for other networks."""
    before, after = (getattr(getattr(each, "code", None), "length", 0) for each in (source, target))
    latents, others = (getattr(each, "latent_dim", 0) for each in (source, target))
    return (before, after) if latents == others else (0, 0)


def _resized(weight: Tensor, axis: int, length: int) -> Tensor:
    """The first `length` columns along an axis, zeros where there are no more."""
    kept = weight.narrow(axis, 0, min(length, weight.size(axis)))
    zeros = [*weight.shape]
    zeros[axis] = length - kept.size(axis)
    return torch.cat([kept, weight.new_zeros(zeros)], dim=axis)


def _layer_of(name: str) -> str:
    """The name of the layer that a tensor belongs to, be its weight parametrized or not."""
    layer, parametrized, _ = f".{name}".partition(".parametrizations.")
    return (layer if parametrized else layer.rpartition(".")[0])[1:]


def _level_of(name: str) -> str:
    """The name of the part of a sequence that a tensor belongs to, or of its layer."""
    level = re.match(r".*?\.\d+(?=\.)", name)
    return level[0] if level else _layer_of(name)


def _estimate_norm(layer: nn.Module) -> None:
    """Lets a spectral norm find the singular vectors of a new weight, a step at each look."""
    if is_parametrized(layer, "weight"):
        mode = layer.training
        layer.train()
        for _ in range(POWER_STEPS):
            _ = layer.weight
        layer.train(mode)
