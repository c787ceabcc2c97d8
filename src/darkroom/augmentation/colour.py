"""Changes of colour that a gradient passes through; transparency is no colour."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from darkroom.augmentation.transform import Probability, check, happens, pixelwise, signed
from darkroom.images import Images
from darkroom.randomness import Noise

Colours = Float[Tensor, "batch colours height width"]
Alpha = Float[Tensor, "batch alpha height width"]  # one channel or none


@dataclass(frozen=True)
class Colour:
    """Brightness, saturation and contrast, one after the other.

        x <- x + b,    x <- lerp(mean over the colours of x, x, s),    x <- lerp(mean of x, x, c)

    A strength of 0 leaves a change out. Grey images have no saturation to change.

    Args:
        brightness: Largest |b|; black and white are 2 apart.
        saturation: Largest |s - 1|.
        contrast: Largest |c - 1|.

    Raises:
        ValueError: If one of them is negative.

    Source: Zhao et al. 2020 (DiffAugment), arXiv 2006.10738, "Color", with its strengths.
    """

    brightness: float = 0.5
    saturation: float = 1.0
    contrast: float = 0.5

    def __post_init__(self) -> None:
        check(self, 0, math.inf, "brightness", "saturation", "contrast")

    def __call__(self, images: Images, noise: Noise, probability: Probability) -> Images:
        chosen = happens(noise, probability, probability, probability)
        strengths = self.brightness, self.saturation, self.contrast
        b, s, c = (
            pixelwise(strength * draw * happening, images)
            for strength, draw, happening in zip(strengths, signed(noise, 3), chosen, strict=True)
        )
        x, alpha = _parted(images)
        x = x + b
        # lerp gives back its ends exactly, where mean + s * (x - mean) would be rounded
        x = torch.lerp(x.mean(1, keepdim=True), x, 1 + s)
        x = torch.lerp(x.mean((1, 2, 3), keepdim=True), x, 1 + c)
        return torch.cat([x, alpha], dim=1)


@dataclass(frozen=True)
class ColourMatrix:
    """Brightness, contrast, luma flip, hue rotation and saturation as one affine map of colours.

    All of them leave the axis of greys, v = (1, 1, 1) / sqrt(3), where it is. So their product is
    known without multiplying matrices: it takes a colour x to

        l (x + b) + (k cos(h) - l) (x - mean of x) + k sin(h) (v x x),    l = +-c,    k = c s

    with b, c, l's sign, h and s as they follow in the name. Where images are grey, hue and
    saturation change nothing. A strength of 0 leaves a change out.

    Args:
        brightness: Standard deviation of b; black and white are 2 apart.
        contrast: Standard deviation of log2 c.
        luma_flip: Share of the probability with which l's sign is tossed.
        hue: Largest |h|, in degrees.
        saturation: Standard deviation of log2 s.

    Raises:
        ValueError: If a strength is negative, luma_flip above 1 or hue above 180.

    Source: Karras et al. 2020 (ADA), arXiv 2006.06676, appendix B, with its strengths; the closed
        form of the rotation is Rodrigues' formula.
    """

    brightness: float = 0.2
    contrast: float = 0.5
    luma_flip: float = 1.0
    hue: float = 180
    saturation: float = 1.0

    def __post_init__(self) -> None:
        check(self, 0, math.inf, "brightness", "contrast", "saturation")
        check(self, 0, 1, "luma_flip")
        check(self, 0, 180, "hue")

    def __call__(self, images: Images, noise: Noise, probability: Probability) -> Images:
        p = probability
        brighter, contrasted, tossed, turned, saturated = happens(
            noise, p, p, p * self.luma_flip, p, p
        )
        heads, angle = signed(noise, 2)
        normal = noise.normal(3).unbind(1)
        b = self.brightness * normal[0] * brighter
        c = torch.exp2(self.contrast * normal[1] * contrasted)
        s = torch.exp2(self.saturation * normal[2] * saturated)
        h = math.radians(self.hue) * angle * turned
        luma = c * (1 - 2 * tossed * (heads < 0))
        along, across = c * s * h.cos() - luma, c * s * h.sin()

        x, alpha = _parted(images)
        b, luma, along, across = (pixelwise(n, images) for n in (b, luma, along, across))
        chroma = x - x.mean(1, keepdim=True)
        turned_chroma = (x.roll(1, 1) - x.roll(-1, 1)) / math.sqrt(3)  # v x x, of RGB
        x = luma * (x + b) + along * chroma + across * turned_chroma
        return torch.cat([x, alpha], dim=1)


def _parted(images: Images) -> tuple[Colours, Alpha]:
    """The channels that are colours, 1 or 3, and the alpha channel or none."""
    channels = images.shape[1]
    colours = channels - (channels % 2 == 0)
    return images[:, :colours], images[:, colours:]
