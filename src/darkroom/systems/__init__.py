"""Who moves when: the LightningModules."""

from darkroom.systems.gan import GAN, Duel
from darkroom.systems.optimizers import Adam
from darkroom.systems.system import System
from darkroom.systems.vae import VAE
from darkroom.systems.vae_gan import VAEGAN

__all__ = ["GAN", "VAE", "VAEGAN", "Adam", "Duel", "System"]
