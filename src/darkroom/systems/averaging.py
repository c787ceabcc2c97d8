"""The averaged weights, which draw better images than the last ones do."""

from itertools import chain

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from darkroom.schedules import Schedule, at

RAMP_UP = 0.05  # of the images seen: the half-life while training is young


class AveragedNetwork(AveragedModel):
    """An exponential moving average of a network, with a half-life in images.

        average <- decay * average + (1 - decay) * weights,    decay = 0.5 ** (images / half-life)

    While few images have been seen the half-life is a twentieth of them, so that the random initial
    weights are soon forgotten. Running statistics of batch norms are averaged too: they belong to
    the averaged weights. The copy never trains and takes no part in gradients.

    Args:
        network: What is averaged.
        half_life: Images after which a step's share has halved.

    Raises:
        ValueError: If the half-life is negative.

    Source: Karras et al. 2020 (StyleGAN2-ADA), arXiv 2006.06676: half-life in images, ramped up.
    """

    def __init__(self, network: nn.Module, half_life: float | Schedule) -> None:
        if not at(half_life, 0) >= 0:
            raise ValueError(f"model.half_life={half_life}: type a number of images from 0 on.")
        super().__init__(network, use_buffers=True)
        self.half_life = half_life
        self.images_seen = 0
        self.decay = 0.0
        self.train().requires_grad_(False)

    @torch.no_grad()
    def update(self, network: nn.Module, images_seen: int) -> None:
        """Takes the present weights in, at the time `images_seen` of the training's clock.

        torch's own `update_parameters` asks the device each time whether it is the first time.
        """
        half_life = min(at(self.half_life, images_seen), RAMP_UP * images_seen)
        elapsed = images_seen - self.images_seen
        self.decay = 0.5 ** (elapsed / max(half_life, 1e-8)) if self.images_seen else 0.0
        self.images_seen = images_seen
        mine, theirs = (chain(n.parameters(), n.buffers()) for n in (self.module, network))
        blended = []
        for average, now in zip(mine, theirs, strict=True):
            if average.is_floating_point():
                blended.append((average, now))
            else:  # batch norm counts its batches in an integer
                average.copy_(now)
        if blended:  # torch refuses to average nothing
            averages, weights = zip(*blended, strict=True)
            torch._foreach_lerp_(averages, weights, 1 - self.decay)

    def train(self, mode: bool = True) -> "AveragedNetwork":
        """Stays in evaluation mode."""
        return super().train(False)

    def get_extra_state(self) -> int:
        return self.images_seen

    def set_extra_state(self, state: int) -> None:
        self.images_seen = state
