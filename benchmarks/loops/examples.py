"""pytorch/examples' DCGAN, as its authors wrote it: python -m benchmarks.loops.examples ...

Its main.py runs untouched, from a checkout of theirs (checkout=), on our images in MNIST's format.
It prints a line after each step, and these are counted.
"""

import builtins
import runpy
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.loops.marks import Options, typed

BATCH_SIZE = 64  # its default


def main(options: Options) -> None:
    say, seen = builtins.print, 0

    def counted(*words: object, **ways: object) -> None:
        nonlocal seen
        if not str(words[0]).startswith("["):
            return
        seen += BATCH_SIZE
        if seen % options.every == 0:
            say("mark", seen, time.time(), flush=True)
        if seen >= options.images:
            sys.exit()

    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "MNIST" / "raw"
        raw.mkdir(parents=True)
        pixels = np.load(options.data)[:, 0]
        for part in ("train", "t10k"):
            (raw / f"{part}-images-idx3-ubyte").write_bytes(idx(pixels))
            (raw / f"{part}-labels-idx1-ubyte").write_bytes(idx(np.zeros(len(pixels), np.uint8)))
        named = {
            "dataset": "mnist",
            "dataroot": folder,
            "outf": folder,
            "imageSize": str(options.resolution),
            "ngf": str(options.width),
            "ndf": str(options.width),
        }
        script = str(Path(options.checkout) / "dcgan" / "main.py")
        sys.argv = [script, *(f"--{name}={value}" for name, value in named.items())]
        builtins.print = counted
        runpy.run_path(script, run_name="__main__")


def idx(values: np.ndarray) -> bytes:
    """Bytes in the format of MNIST's files."""
    sizes = np.array(values.shape, ">i4").tobytes()
    return bytes([0, 0, 8, values.ndim]) + sizes + values.tobytes()


if __name__ == "__main__":
    main(typed())
