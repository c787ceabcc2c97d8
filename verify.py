"""Says what made an image, and how far that is proved: python verify.py --help."""

from darkroom.cli import verify

if __name__ == "__main__":
    verify()
