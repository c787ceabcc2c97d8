"""Opens a page to explore trained runs: python demo.py --help."""

from darkroom.cli import demo

if __name__ == "__main__":
    demo()
