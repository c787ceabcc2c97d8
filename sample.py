"""Draws images of a trained run: python sample.py --help."""

from darkroom.cli import sample

if __name__ == "__main__":
    sample()
