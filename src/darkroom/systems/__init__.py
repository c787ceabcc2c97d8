"""Who moves when: the LightningModules."""

from darkroom.systems.gan import GAN
from darkroom.systems.optimizers import Adam
from darkroom.systems.system import System
from darkroom.systems.vae import VAE

__all__ = ["GAN", "VAE", "Adam", "System"]
