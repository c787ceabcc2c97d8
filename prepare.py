"""Inspects and packs your own images: python prepare.py --help."""

from darkroom.cli import prepare

if __name__ == "__main__":
    prepare()
