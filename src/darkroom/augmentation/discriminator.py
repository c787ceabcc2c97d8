"""What the discriminator of a GAN sees in place of the images, real ones and fakes alike."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from darkroom.augmentation.probability import Adaptive, Scheduled
from darkroom.augmentation.transform import Transform
from darkroom.images import Images, Logits
from darkroom.randomness import Noise
from darkroom.schedules import Schedule


class DiscriminatorAugmentation(nn.Module):
    """Changes all that a discriminator sees, so that it cannot learn few images by heart.

    The generator's gradient passes through the same changes. As long as an image stays as it is
    with some probability, the generator learns to draw what is real, and not what is changed.

    Args:
        transforms: What is done to images, in order; to each image alone, with the probability.
        probability: Of every single change: a number, one that follows the clock, or one that
            follows the discriminator.

    Raises:
        ValueError: If there are no transforms, or if the probability is not within 0..1.

    Source: Zhao et al. 2020 (DiffAugment), arXiv 2006.10738, equations 4 to 6; Karras et al. 2020
        (ADA), arXiv 2006.06676, section 2.2.
    """

    def __init__(
        self,
        transforms: Sequence[Transform],
        probability: float | Schedule | Adaptive = 1.0,
    ) -> None:
        super().__init__()
        if not transforms:
            raise ValueError(
                "DiscriminatorAugmentation.transforms=[]: type one or more, or take "
                "darkroom.augmentation.Unaugmented."
            )
        self.transforms = tuple(transforms)
        self.controller = (
            probability if isinstance(probability, Adaptive) else Scheduled(probability)
        )

    @property
    def probability(self) -> Float[Tensor, ""]:
        """The probability at present."""
        return self.controller.probability

    def setting(self, images_seen: int) -> float:
        """The probability at present, for a log."""
        return float(self.probability)

    def forward(self, images: Images, noise: Noise) -> Images:
        for transform in self.transforms:
            images = transform(images, noise, self.probability)
        return images

    def advance(self, images_seen: int) -> None:
        """Tells the time, before each step."""
        self.controller.advance(images_seen)

    def observe(self, real_logits: Logits, images: int) -> None:
        """Tells what the discriminator said of real images as it saw them, after each step.

        Args:
            real_logits: Of all devices together, so that all draw the same conclusion.
            images: Real images that all devices together were shown in this step.
        """
        self.controller.observe(real_logits, images)


class Unaugmented(nn.Module):
    """The discriminator sees the images themselves."""

    probability = setting = 0.0

    def __init__(self) -> None:  # torch's own takes whatever it is given
        super().__init__()

    def forward(self, images: Images, noise: Noise) -> Images:
        return images

    def advance(self, images_seen: int) -> None:
        pass

    def observe(self, real_logits: Logits, images: int) -> None:
        pass
