"""Develops images out of latent codes: GANs and VAEs on anybody's own images."""

__version__ = "0.1.0"
