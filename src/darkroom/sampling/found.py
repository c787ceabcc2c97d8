"""Latents that were found for images, as a file that other drawings start from."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from darkroom.images import Labels, Latents, PerImage

FILE = "latents.json"


@dataclass(frozen=True)
class Found:
    """Latents of images.

    Attributes:
        latents: One for each image.
        labels: The classes they belong to; None for a generator that knows none.
        psnr: How like the images they are, in dB.
        names: A name for each image.
    """

    latents: Latents
    labels: Labels | None
    psnr: PerImage
    names: tuple[str, ...]

    def write(self, folder: Path) -> Path:
        """Writes latents.json into a folder; every number comes back as it was."""
        labels = [None] * len(self.names) if self.labels is None else self.labels.tolist()
        rows = zip(self.names, labels, self.psnr.tolist(), self.latents.tolist(), strict=True)
        entries = [dict(zip(("name", "label", "psnr", "latent"), row, strict=True)) for row in rows]
        path = folder / FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("[\n" + ",\n".join(map(json.dumps, entries)) + "\n]\n")
        return path


def read(place: str, latent_dim: int, classes: int = 0) -> Found:
    """What `Found.write` wrote.

    Args:
        place: The file, or the folder that it lies in.
        latent_dim: Length of the latents that a generator takes.
        classes: How many classes it knows.

    Raises:
        ValueError: If it is no such file, or one for another generator.
    """
    path = Path(place).expanduser()
    path = path / FILE if path.is_dir() else path
    remedy = "Type the folder that draw=inversion wrote for this run."
    try:
        entries = json.loads(path.read_text())
        latents = torch.tensor([entry["latent"] for entry in entries], dtype=torch.float32)
        psnr: Float[Tensor, " batch"] = torch.tensor([float(entry["psnr"]) for entry in entries])
        labels = [entry["label"] for entry in entries]
        names = tuple(Path(entry["name"]).name for entry in entries)  # files are called so
    except OSError as error:
        raise ValueError(
            f"draw.latents={place} cannot be read: {error.strerror}. {remedy}"
        ) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"draw.latents={place} holds no latents. {remedy}") from error
    if not names or len(set(names)) < len(names) or not latents.isfinite().all():
        raise ValueError(
            f"draw.latents={place} is damaged: it holds no latents, or two of one name, or numbers "
            f"that are not finite. {remedy}"
        )
    if latents.shape[1:] != (latent_dim,):
        raise ValueError(
            f"draw.latents={place}: these latents are not of {latent_dim} numbers each, which this "
            f"model takes. {remedy}"
        )
    drawn = range(classes) if classes else (None,)
    strange = [label for label in labels if label not in drawn]
    if strange:
        knows = f"draws classes 0 to {classes - 1}" if classes else "was not told of any classes"
        raise ValueError(
            f"draw.latents={place}: a latent has the class {strange[0]}, and this model {knows}. "
            f"{remedy}"
        )
    known = torch.tensor(labels, dtype=torch.int64) if classes else None
    return Found(latents, known, psnr, names)
