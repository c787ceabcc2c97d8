"""pythae's VAE, trained as its users train one: run in an environment that has pythae.

    python benchmarks/pythae/train.py data=training.npy images=54000 seed=0 folder=outputs/theirs

This side knows nothing of darkroom. The layers are those of darkroom's ConvVAE at 32x32x1 with
latent_dim=64 and width=32, under the same names, so that the weights can be judged there.
"""

import sys

import numpy as np
import torch
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.pipelines import TrainingPipeline
from pythae.trainers import BaseTrainerConfig
from torch import Tensor, nn

SIDE, LATENT_DIM = 32, 64
WIDTHS = 32, 64, 128
SMALLEST = SIDE // 2 ** len(WIDTHS)
GROUPS = 8


class Encoder(BaseEncoder):
    """Images within 0..1 to the mean and the logarithm of the variance of q(z|x)."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 1
        for wide in WIDTHS:
            layers += [nn.Conv2d(channels, wide, 4, stride=2, padding=1), *activation(wide)]
            channels = wide
        layers += [nn.Flatten(), nn.Linear(channels * SMALLEST**2, 2 * LATENT_DIM)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> ModelOutput:
        mu, logvar = self.layers(2 * x - 1).chunk(2, dim=1)  # -1..1, as darkroom's encoder gets it
        return ModelOutput(embedding=mu, log_covariance=logvar)


class Decoder(BaseDecoder):
    """Latents to probabilities of white."""

    def __init__(self) -> None:
        super().__init__()
        wide = WIDTHS[-1]
        layers: list[nn.Module] = [
            nn.Linear(LATENT_DIM, wide * SMALLEST**2),
            nn.Unflatten(1, (wide, SMALLEST, SMALLEST)),
            *activation(wide),
        ]
        for narrow in reversed(WIDTHS[:-1]):
            layers += [
                nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1),
                *activation(narrow),
            ]
            wide = narrow
        layers.append(nn.ConvTranspose2d(wide, 1, 4, stride=2, padding=1))
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=self.layers(z).sigmoid())


def activation(width: int) -> list[nn.Module]:
    return [nn.GroupNorm(GROUPS, width), nn.SiLU()]


def main(data: str, images: int, seed: int, learning_rate: float, folder: str) -> None:
    pixels = np.load(data)
    epochs = max(1, round(images / len(pixels)))
    torch.manual_seed(seed)
    shape = VAEConfig(input_dim=(1, SIDE, SIDE), latent_dim=LATENT_DIM, reconstruction_loss="bce")
    course = BaseTrainerConfig(
        output_dir=folder, num_epochs=epochs, learning_rate=learning_rate, seed=seed, no_cuda=True
    )
    train = TrainingPipeline(VAE(shape, Encoder(), Decoder()), course)
    train(pixels[:images].astype(np.float32) / 255)


if __name__ == "__main__":
    typed = dict(argument.split("=", 1) for argument in sys.argv[1:])
    main(
        typed["data"],
        int(typed["images"]),
        int(typed["seed"]),
        float(typed.get("learning_rate", 1e-3)),
        typed["folder"],
    )
