"""What computes: one file per architecture, plain torch.nn; the contracts are in contracts.py."""

from darkroom.networks.contracts import Discriminator, Generator, Inference, LatentModel
from darkroom.networks.conv_vae import ConvVAE
from darkroom.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from darkroom.networks.hierarchical_vae import HierarchicalVAE
from darkroom.networks.r3gan import R3GANDiscriminator, R3GANGenerator
from darkroom.networks.residual_vae import ResidualVAE
from darkroom.networks.sngan import SNGANDiscriminator, SNGANGenerator
from darkroom.networks.vq_vae import VQVAE

__all__ = [
    "VQVAE",
    "ConvVAE",
    "DCGANDiscriminator",
    "DCGANGenerator",
    "Discriminator",
    "Generator",
    "HierarchicalVAE",
    "Inference",
    "LatentModel",
    "R3GANDiscriminator",
    "R3GANGenerator",
    "ResidualVAE",
    "SNGANDiscriminator",
    "SNGANGenerator",
]
