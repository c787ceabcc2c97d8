"""Puts runs side by side: python compare.py --help."""

from darkroom.cli import compare

if __name__ == "__main__":
    compare()
