"""Very many images: parts of a large set, written whole, by several processes, and gone on with."""

from darkroom.bulk.drawing import Drawing
from darkroom.bulk.edition import Edition, Part
from darkroom.bulk.formats import Folder, Format, Print, WebDataset, Zip
from darkroom.bulk.workers import write

__all__ = [
    "Drawing",
    "Edition",
    "Folder",
    "Format",
    "Part",
    "Print",
    "WebDataset",
    "Zip",
    "write",
]
