"""What a network has to offer, so that a system can train it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from torch import Tensor

from darkroom.images import Images, Labels, Latents, Logits, PerImage
from darkroom.randomness import Noise


@runtime_checkable
class Generator(Protocol):
    """Latents to images.

    Attributes:
        latent_dim: Length of the latents.
        num_classes: Classes that it has to be told of; 0 for none.
    """

    latent_dim: int
    num_classes: int

    def __call__(self, latents: Latents, labels: Labels | None = None) -> Images: ...


@runtime_checkable
class Discriminator(Protocol):
    """Images to logits: positive where an image looks real."""

    def __call__(self, images: Images, labels: Labels | None = None) -> Logits: ...


@dataclass(frozen=True)
class Inference:
    """What a latent model concludes from a batch of images.

    Attributes:
        parameters: What the likelihood needs to judge the images, [batch, ...].
        latents: The z that was drawn, as `decode` takes it.
        rates: KL(q(z|x) || p(z)) in nats per image, one tensor for each latent level.
        log_ratios: log q(z|x) - log p(z) in nats per image at the z that was drawn, one tensor for
            each latent level; their expectations are the rates.
        auxiliary: Further terms of the objective per image, by name.
    """

    parameters: Tensor
    latents: Latents
    rates: tuple[PerImage, ...]
    log_ratios: tuple[PerImage, ...]
    auxiliary: Mapping[str, PerImage] = field(default_factory=dict)


@runtime_checkable
class LatentModel(Protocol):
    """Images to latents and back.

    Attributes:
        latent_dim: Length of the latents. A ladder of latents counts all of its levels, as the
            standard normal numbers that its own prior begins with.
        num_classes: Classes that it has to be told of; 0 for none.
        parameters_per_value: What `decode` says of each value of an image, in numbers: [batch,
            channels * parameters_per_value, height, width], those of a channel together.
    """

    latent_dim: int
    num_classes: int
    parameters_per_value: int

    def infer(self, images: Images, noise: Noise, labels: Labels | None = None) -> Inference: ...

    def decode(self, latents: Latents, labels: Labels | None = None) -> Tensor: ...

    def encode(self, images: Images, labels: Labels | None = None) -> Latents: ...
