"""Judges a generator: python evaluate.py --help."""

from darkroom.cli import evaluate

if __name__ == "__main__":
    evaluate()
