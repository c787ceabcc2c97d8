"""The quickest loop that we can write without darkroom: python -m benchmarks.loops.bare ...

The same networks and the same game. Images wait in memory, weights lie as convolutions like them,
Adam is one kernel, the discriminator is frozen in the generator's step, and nobody looks at a loss.
Nothing is validated, averaged, measured, drawn, logged or saved.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim import Adam
from torchvision.transforms.v2 import functional as transforms

from benchmarks.loops.marks import Options, train, typed
from darkroom.networks import ConvVAE, DCGANDiscriminator, DCGANGenerator


class GAN:
    def __init__(self, resolution: int, width: int) -> None:
        self.generator = DCGANGenerator(resolution, 1, 100, width)
        self.discriminator = DCGANDiscriminator(resolution, 1, width)
        self.of_d, self.of_g = (
            Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=True)
            for network in (self.discriminator, self.generator)
        )

    def step(self, real: Tensor, is_half: bool) -> None:
        with torch.autocast("cpu", torch.bfloat16, is_half):
            fake = self.generator(torch.randn(len(real), 100))
            of_real, of_fake = self.discriminator(real), self.discriminator(fake.detach())
        self.of_d.zero_grad()
        (F.softplus(-of_real.float()) + F.softplus(of_fake.float())).mean().backward()
        self.of_d.step()
        self.discriminator.requires_grad_(False)
        with torch.autocast("cpu", torch.bfloat16, is_half):
            of_fake = self.discriminator(fake)
        self.of_g.zero_grad()
        F.softplus(-of_fake.float()).mean().backward()
        self.of_g.step()
        self.discriminator.requires_grad_(True)


class VAE:
    def __init__(self, resolution: int, width: int) -> None:
        self.network = ConvVAE(resolution, 1, 64, width)
        self.optimizer = Adam(self.network.parameters(), lr=1e-3, fused=True)

    def step(self, images: Tensor, is_half: bool) -> None:
        with torch.autocast("cpu", torch.bfloat16, is_half):
            mu, logvar = self.network.encoder(images).float().chunk(2, 1)
            z = mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)
            logits = self.network.decoder(z).float()
        bce = F.binary_cross_entropy_with_logits(logits, images / 2 + 0.5, reduction="sum")
        kld = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum()
        self.optimizer.zero_grad()
        ((bce + kld) / len(images)).backward()
        self.optimizer.step()


def main(options: Options) -> None:
    size = [options.resolution, options.resolution]
    pixels = transforms.resize(torch.from_numpy(np.load(options.data)), size)
    system = {"gan": GAN, "vae": VAE}[options.model](options.resolution, options.width)
    is_half = options.precision == "bf16-mixed"

    def epoch() -> Iterator[Tensor]:
        for rows in torch.randperm(len(pixels)).split(64):
            yield pixels[rows].float() / 127.5 - 1

    train(lambda images: system.step(images, is_half), epoch, options)


if __name__ == "__main__":
    main(typed())
