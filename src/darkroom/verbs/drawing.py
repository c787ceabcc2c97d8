"""One drawing of a saved run, as a user asks for it or as an image's origin claims it."""

from dataclasses import dataclass
from functools import cached_property

from darkroom import config
from darkroom.checkpoint import SavedRun
from darkroom.data import ImageData
from darkroom.images import Labels, Pixels
from darkroom.sampling import Attribute, Inversion, Reconstruction
from darkroom.verbs.given import given

LOOKING = Attribute | Inversion | Reconstruction
"""Drawings that look at images."""


@dataclass(frozen=True)
class Material:
    """The images that drawings look at: a run's own, or given ones.

    Attributes:
        saved: The run.
        images: A folder or .zip in the place of its held-out images.
    """

    saved: SavedRun
    images: str | None = None

    @cached_property
    def data(self) -> ImageData:
        """The run's data."""
        data: ImageData = config.build(self.saved.config.data)
        data.setup()
        return data

    def __call__(self, n: int) -> Pixels:
        """At most n images that the run was not trained on, or of those that are given."""
        if self.images is None:
            return self.data.held_out.some(n)
        return given(self.saved, self.images, n).some(n)

    def labelled(self) -> tuple[Pixels, Labels, tuple[str, ...]]:
        """Training images, their classes, and the names of these."""
        known = self.data.labelled()
        return known.pixels, known.labels, tuple(known.class_names)
