"""Takes a trained model out of the house: python export.py --help."""

from darkroom.cli import export

if __name__ == "__main__":
    export()
