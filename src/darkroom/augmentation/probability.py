"""How often what a discriminator sees is changed: by the clock, or by what it knows by heart."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from darkroom.images import Logits
from darkroom.schedules import Schedule, at


class Scheduled(nn.Module):
    """A probability that depends on the clock alone.

    Args:
        value: The probability, or how it follows the clock.

    Raises:
        ValueError: If it is not within 0..1.
    """

    probability: Tensor

    def __init__(self, value: float | Schedule) -> None:
        super().__init__()
        self.value = value
        self.register_buffer("probability", torch.zeros(()))
        self.advance(0)

    def advance(self, images_seen: int) -> None:
        probability = at(self.value, images_seen)
        if not 0 <= probability <= 1:
            raise ValueError(
                f"DiscriminatorAugmentation.probability={probability} at {images_seen} images: "
                "type numbers from 0 to 1."
            )
        self.probability.fill_(probability)

    def observe(self, real_logits: Logits, images: int) -> None:
        pass


class Adaptive(nn.Module):
    """A probability that rises while the discriminator is too sure of real images.

        r = E[sign(D(real))],    p <- clamp(p + sign(r - target) * images since / images, 0, 1)

    r is 0 where real images cannot be told from fakes, and 1 where all of them are known, as when
    the discriminator has learnt them by heart. It is the mean of the last `every` steps. p begins
    at 0. For objectives in which a logit has a sign: in a relativistic one only differences of
    logits say anything, so take a schedule there.

    The state lies in buffers that no host has to look at. p is kept as a whole number of images,
    from which half precision takes nothing.

    Args:
        target: The r that is aimed at.
        images: Images that it takes from 0 to 1, or back.
        every: Steps between two changes.

    Raises:
        ValueError: If the target is not between -1 and 1, or if the others are not positive.

    Source: Karras et al. 2020 (ADA), arXiv 2006.06676, section 3, and their code, which has no
        upper limit.
    """

    level: Tensor
    steps: Tensor
    since: Tensor
    signs: Tensor

    def __init__(self, target: float = 0.6, images: int = 500_000, every: int = 4) -> None:
        super().__init__()
        if not -1 < target < 1:
            raise ValueError(
                f"Adaptive.target={target}: type a number between -1 and 1, such as 0.6."
            )
        for name, value in (("images", images), ("every", every)):
            if value < 1:
                raise ValueError(f"Adaptive.{name}={value}: type a number from 1 on.")
        self.target, self.images, self.every = target, images, every
        for name in ("level", "steps", "since"):
            self.register_buffer(name, torch.zeros((), dtype=torch.int64))
        self.register_buffer("signs", torch.zeros(()))

    @property
    def probability(self) -> Float[Tensor, ""]:
        return self.level / self.images

    def advance(self, images_seen: int) -> None:
        pass

    @torch.no_grad()
    def observe(self, real_logits: Logits, images: int) -> None:
        self.signs += real_logits.sign().mean()
        self.steps += 1
        self.since += images
        due = self.steps == self.every
        direction = (self.signs / self.every - self.target).sign().long()
        self.level += due * direction * self.since
        self.level.clamp_(0, self.images)
        for counted in (self.signs, self.steps, self.since):
            counted *= ~due
