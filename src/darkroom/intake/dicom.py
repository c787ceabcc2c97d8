"""DICOM files of medical images, through pydicom, which the extra `medical` installs."""

from io import BytesIO
from typing import Any

import numpy as np


def read(
    content: bytes, window: tuple[float, float] | None, max_pixels: int
) -> tuple[np.ndarray, dict[str, Any]]:
    """The first frame, in the file's own units within its window, white for the largest value.

    Args:
        content: The file.
        window: Centre and width in the units of the file, such as (40, 400) in Hounsfield units for
            soft tissue; None for the first window that the file itself names, if any.
        max_pixels: More are refused.

    Returns:
        The image, [height, width], as uint8 if there is a window or it has 8 bits, else as floats
        in the file's own units; or uint8 [height, width, 3] if it is in colour. And the facts of
        `decoding.Decoded`.

    Raises:
        ValueError: If pydicom, or a decoder that it needs, is missing.

    Source: DICOM PS3.3 C.11.2.1.2 (linear window).
    """
    try:
        import pydicom
        from pydicom.pixels import pixel_array
    except ImportError as error:
        raise ValueError("DICOM needs pydicom: pip install -e '.[medical]'") from error
    dataset = pydicom.dcmread(BytesIO(content), force=True)
    if "Rows" not in dataset or "Columns" not in dataset:
        raise ValueError("this DICOM file holds no image")
    height, width = int(dataset.Rows), int(dataset.Columns)
    if height * width > max_pixels:
        raise ValueError(f"{width}x{height} pixels are more than {max_pixels:,}")
    frames = int(dataset.get("NumberOfFrames", 1) or 1)
    try:
        values = pixel_array(dataset, index=0)
    except (NotImplementedError, RuntimeError) as error:  # no decoder for this compression
        raise ValueError(
            f"{' '.join(str(error).split())} (pip install -e '.[medical]' has more decoders)"
        ) from error
    facts = {
        "format": "DICOM",
        "mode": dataset.PhotometricInterpretation,
        "width": width,
        "height": height,
        "highest": values.max().item() if values.dtype.itemsize > 1 else None,
        "animated": frames > 1,
    }
    colour = values.ndim == 3 or dataset.PhotometricInterpretation == "PALETTE COLOR"
    return _colours(values, dataset) if colour else _shown(values, dataset, window), facts


def _colours(values: np.ndarray, dataset: Any) -> np.ndarray:
    from pydicom.pixels import apply_color_lut

    if values.ndim == 3:
        return (values >> max(int(dataset.BitsStored) - 8, 0)).astype(np.uint8)
    values = apply_color_lut(values, dataset)
    return (values >> 8).astype(np.uint8) if values.dtype == np.uint16 else values


def _shown(values: np.ndarray, dataset: Any, window: tuple[float, float] | None) -> np.ndarray:
    """A grey image through its window, with white for the largest value."""
    from pydicom.pixels import apply_modality_lut, apply_voi_lut

    values = apply_modality_lut(values, dataset)
    if int(dataset.BitsStored) < 8:  # a mask, say, of 0 and 1
        values = values.astype(np.float64)
    named = [_first(dataset.get(name)) for name in ("WindowCenter", "WindowWidth")]
    if window is None and None not in named:  # they may be there and empty
        window = float(named[0]), float(named[1])
    if window is not None:
        centre, span = window
        shown = ((values - (centre - 0.5)) / max(span - 1, 1e-6) + 0.5).clip(0, 1)
        values = (255 * shown).round().astype(np.uint8)
    elif "VOILUTSequence" in dataset:
        values = apply_voi_lut(values, dataset)
    if dataset.PhotometricInterpretation == "MONOCHROME1":  # there, 0 is white
        values = (255 if values.dtype == np.uint8 else values.max()) - values
    return values if values.dtype == np.uint8 else values.astype(np.float64)


def _first(value: Any) -> Any:
    """The first of the values of an element, or its only one; None if it has none."""
    values = value if hasattr(value, "__getitem__") and not isinstance(value, str) else [value]
    return values[0] if len(values) and values[0] != "" else None
