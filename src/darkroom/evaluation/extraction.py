"""Features of whole sets, computed once for real images and kept on the disk."""

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from darkroom import files
from darkroom.evaluation.subject import Pictures, Subject
from darkroom.images import Features, Pixels
from darkroom.metrics.features import FeatureNetwork


def features_of(
    subject: Subject, look: Callable[[Pixels], Features], what: str, progress: bool = True
) -> Features:
    """Features of everything that a subject has, in its order, in float32.

    Args:
        subject: The images; they flow through and touch no disk.
        look: What makes features of a batch.
        what: Named beside the progress bar.
        progress: Whether to show one.
    """
    with bar_of(len(subject), what, progress) as bar:
        rows = []
        for pixels in subject.batches():
            rows.append(look(pixels).float())
            bar.update(len(pixels))
    return torch.cat(rows)


def bar_of(total: int, what: str, progress: bool) -> tqdm:
    """A progress bar, which is drawn seldom where it goes to a file."""
    often = 0.5 if sys.stderr.isatty() else 15
    return tqdm(total=total, desc=what, unit=" images", disable=not progress, mininterval=often)


class FeatureCache:
    """Features of real images, on the disk by what they are of and what made them.

    Args:
        folder: Where they are kept; it can be deleted at any time.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).expanduser()

    def features(self, images: Pictures, network: FeatureNetwork, what: str) -> Features:
        """Features of real images: from the disk, or computed and kept there."""
        made_of = (images.images.fingerprint(), len(images), network.instrument)
        name = hashlib.sha256(repr(made_of).encode()).hexdigest()[:32]
        path = self.folder / f"{network.instrument.name}-{name}.npy"
        if path.exists():
            try:
                kept = torch.from_numpy(np.load(path, allow_pickle=False))
                if len(kept) == len(images):
                    return kept
            except (EOFError, OSError, ValueError):  # torn or not ours: made anew
                pass
        made = features_of(images, network, what)
        with files.whole(path) as file:
            np.save(file, made.numpy())
        return made
