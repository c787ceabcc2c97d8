"""Trains an image generator: python train.py --help."""

from darkroom.cli import train

if __name__ == "__main__":
    train()
