"""`python -m darkroom train ...`, as `darkroom train ...`."""

from darkroom.cli import main

if __name__ == "__main__":
    main()
