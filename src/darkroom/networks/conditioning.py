"""How a network is told the classes of its images; where there are none, nothing is added.

A generator reads the class beside the latent vector, as in Mirza and Osindero 2014, arXiv
1411.1784. A discriminator adds to its logit how well the image's features match the class.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from darkroom.images import Labels, Latents, Logits

Codes = Float[Tensor, "batch code"]  # what a generator starts from
Maps = Float[Tensor, "batch width rows columns"]  # features, on any number of pixels


class LatentCode(nn.Module):
    """The latent vector as it is.

    Attributes:
        length: Length of the code.
    """

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.length = latent_dim

    def forward(self, latents: Latents, labels: Labels | None) -> Codes:
        return latents


class ClassCode(nn.Module):
    """The latent vector with the class beside it, as a learned vector of the same length.

    Both begin as standard normal numbers, so neither drowns the other.

    Attributes:
        length: Length of the code.

    Raises:
        ValueError: If it is called without labels.
    """

    def __init__(self, latent_dim: int, num_classes: int) -> None:
        super().__init__()
        self.length = 2 * latent_dim
        self.embedding = nn.Embedding(num_classes, latent_dim)

    def forward(self, latents: Latents, labels: Labels | None) -> Codes:
        return torch.cat([latents, _embedded(self.embedding, labels, "draws")], dim=1)


class Unprojected(nn.Module):
    """The logits as they are."""

    def forward(self, logits: Logits, features: Maps, labels: Labels | None) -> Logits:
        return logits


class Projection(nn.Module):
    """logits + <embed(y), h>, where h are the features' means over the pixels.

    The embedding begins at a length of about 1, so the product is as large as one feature.

    Args:
        width: Channels of the features.
        num_classes: Number of classes.

    Raises:
        ValueError: If it is called without labels.

    Source: Miyato and Koyama 2018, arXiv 1802.05637, equation 3.
    """

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_classes, width)
        nn.init.kaiming_normal_(self.embedding.weight, nonlinearity="linear")

    def forward(self, logits: Logits, features: Maps, labels: Labels | None) -> Logits:
        y, h = _embedded(self.embedding, labels, "judges"), features.mean(dim=(2, 3))
        return logits + (y * h).sum(dim=1)


def coded(latent_dim: int, num_classes: int) -> LatentCode | ClassCode:
    """What a generator starts from; 0 classes add nothing.

    Raises:
        ValueError: If the number of classes is negative.
    """
    _check("generator", num_classes)
    return ClassCode(latent_dim, num_classes) if num_classes else LatentCode(latent_dim)


def projected(width: int, num_classes: int) -> Unprojected | Projection:
    """What a discriminator ends with; 0 classes add nothing.

    Raises:
        ValueError: If the number of classes is negative.
    """
    _check("discriminator", num_classes)
    return Projection(width, num_classes) if num_classes else Unprojected()


def _check(network: str, num_classes: int) -> None:
    if num_classes < 0:
        raise ValueError(
            f"model.{network}.num_classes={num_classes}: type the number of classes, or 0 for "
            "images without classes."
        )


def _embedded(embedding: nn.Embedding, labels: Labels | None, does: str) -> Codes:
    if labels is None:
        raise ValueError(
            f"The network {does} images of {embedding.num_embeddings} classes and was given no "
            f"labels: give it one of 0 to {embedding.num_embeddings - 1} for each image."
        )
    return embedding(labels)
