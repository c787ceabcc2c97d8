"""Generators whose answers are known in closed form."""

import torch
from torch import nn


def orthonormal(rows, columns, seed=0):
    """Columns at right angles, each of length 1."""
    draw = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(rows, columns, generator=draw))[0]


class Linear(nn.Module):
    """G(z) = A z, as an image of the given shape."""

    def __init__(self, matrix, shape):
        super().__init__()
        self.matrix, self.shape = nn.Parameter(matrix), shape
        self.latent_dim = matrix.shape[1]

    def forward(self, latents, labels=None):
        return (latents @ self.matrix.T).reshape(-1, *self.shape)


class Classed(Linear):
    """G(z, y) = A z + b_y."""

    def __init__(self, matrix, shape, offsets):
        super().__init__(matrix, shape)
        self.register_buffer("offsets", offsets)
        self.register_buffer("class_shares", torch.full((len(offsets),), 1 / len(offsets)))

    def forward(self, latents, labels=None):
        return super().forward(latents) + self.offsets[labels].reshape(-1, *self.shape)


def no_images(n):
    raise AssertionError("this drawing needs no held-out images")
