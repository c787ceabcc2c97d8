"""The article's loop: python -m benchmarks.loops.article model=gan data=training.npy ...

Plain PyTorch as the article and most tutorials have it: images through Pillow and torchvision's
transforms in a DataLoader, a sigmoid with BCELoss, Adam as it comes, and a look at every loss.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmarks.loops.marks import Options, train, typed
from darkroom.networks import ConvVAE, DCGANDiscriminator, DCGANGenerator


class Pictures(Dataset[Tensor]):
    """Images as torchvision's sets give them: one at a time, as a picture, then transformed."""

    def __init__(self, file: Path, resolution: int) -> None:
        self.pixels = np.load(file)
        self.transform = transforms.Compose(
            [
                transforms.Resize(resolution),
                transforms.ToTensor(),
                transforms.Normalize(0.5, 0.5),
            ]
        )

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> Tensor:
        return self.transform(Image.fromarray(self.pixels[index, 0]))


class GAN:
    """The article's game, line by line."""

    def __init__(self, resolution: int, width: int) -> None:
        self.generator = plain(DCGANGenerator(resolution, 1, 100, width))
        self.discriminator = nn.Sequential(
            plain(DCGANDiscriminator(resolution, 1, width)), nn.Sigmoid()
        )
        self.criterion = nn.BCELoss()
        self.of_d, self.of_g = (
            Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999))
            for network in (self.discriminator, self.generator)
        )

    def step(self, real: Tensor) -> list[float]:
        ones, zeros = torch.ones(len(real)), torch.zeros(len(real))
        self.discriminator.zero_grad()
        output = self.discriminator(real)
        error_real = self.criterion(output, ones)
        error_real.backward()
        d_x = output.mean().item()
        fake = self.generator(torch.randn(len(real), 100))
        output = self.discriminator(fake.detach())
        error_fake = self.criterion(output, zeros)
        error_fake.backward()
        d_g_z1 = output.mean().item()
        error_d = error_real + error_fake
        self.of_d.step()
        self.generator.zero_grad()
        output = self.discriminator(fake)
        error_g = self.criterion(output, ones)
        error_g.backward()
        d_g_z2 = output.mean().item()
        self.of_g.step()
        return [error_d.item(), error_g.item(), d_x, d_g_z1, d_g_z2]


class VAE:
    """The bound, as tutorials write it."""

    def __init__(self, resolution: int, width: int) -> None:
        self.network = plain(ConvVAE(resolution, 1, 64, width))
        self.optimizer = Adam(self.network.parameters(), lr=1e-3)

    def step(self, images: Tensor) -> list[float]:
        self.optimizer.zero_grad()
        mu, logvar = self.network.encoder(images).chunk(2, 1)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)
        drawn = torch.sigmoid(self.network.decoder(z))
        bce = F.binary_cross_entropy(drawn, images / 2 + 0.5, reduction="sum")
        kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
        loss = (bce + kld) / len(images)
        loss.backward()
        self.optimizer.step()
        return [loss.item(), bce.item(), kld.item()]


def plain(network: nn.Module) -> nn.Module:
    """As PyTorch makes it, without darkroom's layout of the weights."""
    return network.to(memory_format=torch.contiguous_format)


def main(options: Options) -> None:
    pictures = Pictures(Path(options.data), options.resolution)
    loader = DataLoader(pictures, batch_size=64, shuffle=True)
    system = {"gan": GAN, "vae": VAE}[options.model](options.resolution, options.width)
    train(system.step, lambda: loader, options)


if __name__ == "__main__":
    main(typed())
