"""What a change is that a gradient passes through, and what all such changes share."""

from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from darkroom.images import Images, PerImage
from darkroom.randomness import Noise

Probability = float | Float[Tensor, ""]


@runtime_checkable
class Transform(Protocol):
    """A random change of images, for each image alone, that can be differentiated twice.

    With a probability of 0 the images come back as they are, to the last bit.
    """

    def __call__(self, images: Images, noise: Noise, probability: Probability) -> Images: ...


def happens(noise: Noise, *probabilities: Probability) -> list[PerImage]:
    """For each change, 1 where it happens to an image and 0 where it does not."""
    draws = noise.uniform(len(probabilities)).unbind(1)
    return [
        (draw < probability).float() for draw, probability in zip(draws, probabilities, strict=True)
    ]


def signed(noise: Noise, count: int) -> tuple[PerImage, ...]:
    """`count` uniform numbers within -1..1 for each image."""
    return (2 * noise.uniform(count) - 1).unbind(1)


def pixelwise(values: PerImage, images: Images) -> Float[Tensor, "batch 1 1 1"]:
    """One number for each image, in the shape and the type to compute with its pixels."""
    return values[:, None, None, None].to(images)


def check(transform: object, low: float, high: float, *options: str) -> None:
    """Refuses options that are not within low..high.

    Raises:
        ValueError: With the option, its value and what to type.
    """
    for option in options:
        value = getattr(transform, option)
        if not low <= value <= high:  # so that NaN is refused too
            limits = f"from {low:g} to {high:g}" if high < float("inf") else f"from {low:g} on"
            raise ValueError(
                f"{type(transform).__name__}.{option}={value}: type a number {limits}."
            )
