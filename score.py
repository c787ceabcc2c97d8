"""Says which images look unusual to a trained VAE: python score.py --help."""

from darkroom.cli import score

if __name__ == "__main__":
    score()
