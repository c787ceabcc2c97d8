"""From images back to latents, by optimisation."""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, optim
from torch.nn import functional

from darkroom.images import Images, Labels, Latents, PerImage, Pixels, to_float
from darkroom.sampling.found import Found
from darkroom.sampling.seeds import Generator, check_counts, develop, exposed, labels_of, latents_of
from darkroom.sampling.sheets import HeldOut, Sheet

SMALLEST = 4  # pixels: a level of the pyramid is not smaller than this
LEARNING_RATE = 0.2  # of Adam, in standard deviations of the latents; it falls to 0


Original = Float[Tensor, "1 channels height width"]


@runtime_checkable
class Encodes(Generator, Protocol):
    """A generator that finds latents of images at once, too."""

    def encode(self, images: Images, labels: Labels | None = None) -> Latents: ...


@dataclass(frozen=True)
class Inversion:
    """Images that were never trained on, each followed by what its latent draws.

    For each image Adam minimises over z

        sum over levels l of |P_l G(z) - P_l x|^2 / pixels_l  +  prior * max(0, |z|^2 / d - 1)

    where P_l shrinks an image by 2^l. The coarse levels tell the way while shapes do not overlap
    yet. They need no network and have gradients everywhere, which the features that images are
    judged by have not. Relative errors of what each layer of the discriminator sees (Pan et al.
    2020, arXiv 2003.13659) were tried as a further term: with weights from 0.01 to 3 neither PSNR
    nor the distance of ImageNet features got better, at twice the time. The prior keeps z where
    normal latents lie: |z|^2 is about d there. A shorter one is no harm.

    Several starts: the candidates whose images come nearest, and the encoder's answer if there is
    one. The best end counts. For a generator that knows classes each candidate has one of its own,
    which it keeps; so the class is found too. An image is computed with its own starts alone, so it
    is the same in any company and with any batch_size.

    Args:
        n: How many images.
        columns: Images in a row; an even number keeps the pairs together.
        steps: Steps of Adam.
        starts: From how many latents.
        candidates: Out of how many: those of the seeds 0, 1, ...
        prior: Weight of the prior.
        label: The class of all; by default the one that fits.

    Raises:
        ValueError: If an option makes no sense.

    Source: Zhu et al. 2016, arXiv 1609.03552, whose projection onto the manifold joins an encoder
    to an optimisation. The pyramid is ours.
    """

    n: int = 32
    columns: int = 8
    steps: int = 500
    starts: int = 4
    candidates: int = 512
    prior: float = 0.01
    label: int | None = None

    def __post_init__(self) -> None:
        check_counts(n=self.n, columns=self.columns, steps=self.steps, starts=self.starts)
        if self.starts > self.candidates:
            raise ValueError(
                f"draw.starts={self.starts}: type at most draw.candidates={self.candidates}."
            )
        if not 0 <= self.prior < math.inf:
            raise ValueError(f"draw.prior={self.prior}: type 0 for none, or more.")

    def __call__(self, generator: Generator, held_out: HeldOut, batch_size: int = 64) -> Sheet:
        originals = held_out(self.n)
        seeds = range(self.candidates)
        candidates = latents_of(seeds, generator.latent_dim)
        classes = labels_of(seeds, generator, self.label)
        images = torch.cat(list(exposed(generator, candidates, batch_size, classes)))
        ends = []
        for original in to_float(originals).to(images.device).split(1):
            nearest = unlikeness(images, original).topk(self.starts, largest=False).indices.cpu()
            starts = candidates[nearest]
            labels = None if classes is None else classes[nearest]
            if isinstance(generator, Encodes):
                with torch.no_grad():
                    known = generator.encode(original, None if labels is None else labels[-1:])
                starts = torch.cat([starts[:-1], known.cpu()])  # in the place of the worst
            z, losses = self.descended(generator, original, starts, labels)
            best = int(losses.argmin())
            ends.append((z[best], nearest[best]))
        latents, places = (torch.stack(parts) for parts in zip(*ends, strict=True))
        labels = None if classes is None else classes[places]
        copies = torch.cat(list(develop(generator, latents, batch_size, labels)))
        psnr = psnr_of(originals, copies)
        pairs = torch.stack([originals, copies], dim=1).flatten(0, 1)
        numbers = [f"{k:06d}" for k in range(len(originals))]
        names = [f"{number}-{kind}" for number in numbers for kind in ("real", "inverted")]
        return Sheet(
            pairs,
            tuple(names),
            self.columns,
            note=f"median PSNR {psnr.quantile(0.5):.1f} dB",
            found=Found(latents, labels, psnr, tuple(numbers)),
        )

    def descended(
        self, generator: Generator, original: Original, starts: Latents, labels: Labels | None
    ) -> tuple[Latents, PerImage]:
        """Where the descents end that begin at `starts`, and their losses."""
        z = starts.to(original, copy=True).requires_grad_()
        adam = optim.Adam([z], lr=LEARNING_RATE)
        with torch.enable_grad():
            for step in range(self.steps):
                loss = self.loss(generator, original, z, labels)
                (z.grad,) = torch.autograd.grad(loss.sum(), z)  # and nothing into the weights
                adam.param_groups[0]["lr"] = LEARNING_RATE * _cosine(step / self.steps)
                adam.step()
        with torch.no_grad():
            losses = self.loss(generator, original, z, labels)
        return z.detach().cpu(), losses.cpu()

    def loss(
        self, generator: Generator, original: Original, z: Latents, labels: Labels | None
    ) -> PerImage:
        excess = (z.square().mean(dim=1) - 1).clamp(min=0)
        return unlikeness(generator(z, labels), original) + self.prior * excess


def unlikeness(images: Images, original: Original) -> PerImage:
    """Squared distances from images to one image, summed over the levels of a pyramid.

    Each level is a mean over its pixels; each is half as high and wide as the one before.
    """
    difference = images - original
    total = difference.square().flatten(1).mean(1)
    while min(difference.shape[2:]) >= 2 * SMALLEST:
        difference = functional.avg_pool2d(difference, 2)
        total = total + difference.square().flatten(1).mean(1)
    return total


def psnr_of(originals: Pixels, copies: Pixels) -> PerImage:
    """Peak signal-to-noise ratio in dB: 10 log10(255^2 / mean squared error).

    Of equal images it is that of one value that is wrong by one, which is finite.
    """
    error = (originals.double() - copies.double()).square().flatten(1).mean(1)
    return (10 * torch.log10(255**2 / error.clamp(min=1 / originals[0].numel()))).float()


def _cosine(t: float) -> float:
    """From 1 down to 0, as t goes from 0 to 1."""
    return (1 + math.cos(math.pi * t)) / 2
