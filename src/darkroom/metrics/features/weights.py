"""Files of weights: recognised by their hash before anything reads them."""

from hashlib import sha256
from io import BytesIO
from pathlib import Path

import torch
from torch import Tensor

SHOWN = 16  # hexadecimal digits of a hash that an instrument carries


def read(path: Path, expected: str, option: str) -> bytes:
    """The content of a file that has to be a certain one; nothing in it is interpreted.

    Args:
        path: The file.
        expected: Its SHA-256.
        option: What named the file, for the message.

    Raises:
        ValueError: If it is another file, or none.
    """
    content = content_of(path, option)
    found = sha256(content).hexdigest()
    if found != expected:
        raise ValueError(
            f"{option}={path} is not the file it should be: its SHA-256 begins with {found[:8]}, "
            f"not with {expected[:8]}. Nothing of it was loaded. Delete it and fetch it anew."
        )
    return content


def content_of(path: Path, option: str) -> bytes:
    """The bytes of a file.

    Raises:
        ValueError: If it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{option}={path} cannot be read: {error.strerror}.") from error


def tensors(content: bytes, path: Path, option: str) -> dict[str, Tensor]:
    """The tensors that PyTorch saved; code among them is refused and not run.

    Raises:
        ValueError: If there is anything else in it.
    """
    try:
        loaded = torch.load(BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a file that is none of its own
        raise ValueError(f"{option}={path} does not hold plain weights.") from error
    if not isinstance(loaded, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in loaded.items()
    ):
        raise ValueError(f"{option}={path} does not hold plain weights.")
    return dict(loaded)


def short(content: bytes) -> str:
    """What an instrument carries of a file's hash."""
    return sha256(content).hexdigest()[:SHOWN]
