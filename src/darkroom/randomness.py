"""Randomness by counter: every draw is a pure function of what it is for.

Nothing in darkroom reads a global generator. A draw is keyed by the seed, its purpose and counters
(epoch, index of an image, images seen), so a resumed run, another number of workers and another
number of devices see the same numbers, and no generator's state has to be saved.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b

import torch
from jaxtyping import Float, Int64
from torch import Tensor


def key(*parts: int | str) -> int:
    """A 63-bit number that depends on every part and on their order."""
    text = "\x1f".join(map(str, parts)).encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big") >> 1


def permutation(length: int, *parts: int | str) -> Int64[Tensor, " length"]:
    """The order of `length` things that `parts` name, the same on every machine."""
    return torch.randperm(length, generator=torch.Generator().manual_seed(key(*parts)))


@contextmanager
def initialisation(seed: int) -> Iterator[None]:
    """Networks built within draw their initial weights from the seed; nothing outside notices."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(key(seed, "initialisation"))
        yield


def uniform(purpose: int, *counters: Int64[Tensor, "..."]) -> Float[Tensor, "..."]:
    """One number within (0, 1) for each element of the broadcast counters, with 23 random bits.

    Element i depends on the purpose and on the counters of element i alone, on any device. The
    mixing is SplitMix64's, one round for each counter; its products wrap around in int64.

    Args:
        purpose: A number from `key`, so that two uses of the same counters differ.
        counters: Integers such as epochs and indices.

    Source: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators".
    """
    state: Tensor | int = purpose
    for counter in counters:
        state = _mix(state + counter * _GOLDEN)
    assert isinstance(state, Tensor), "a draw without counters would always be the same"
    # a 24th bit would not leave room for the half in float32, and 1.0 would come out now and then
    return (_shifted(state, 41).float() + 0.5) * 2.0**-23


class Noise:
    """Noise for images that are known by a number each.

    The noise of an image depends on the purpose and on its number alone: not on the batch in which
    it is drawn, nor on the device, so two devices draw what one would have drawn.

    Args:
        purpose: A number from `key`.
        numbers: One number for each image: a seed, an index, or the images seen before it.
    """

    def __init__(self, purpose: int, numbers: Int64[Tensor, " batch"]) -> None:
        self.purpose, self.numbers = purpose, numbers
        self.drawn = 0

    def repeated(self, times: int) -> "Noise":
        """Noise for so many copies of each image, one after another; once is this noise itself."""
        copies = torch.arange(times, device=self.numbers.device)
        return Noise(self.purpose, (self.numbers[:, None] * times + copies).flatten())

    def uniform(self, *shape: int) -> Float[Tensor, "batch ..."]:
        """Numbers within (0, 1) [batch, *shape]; a further call gives further numbers."""
        size = math.prod(shape)
        elements = torch.arange(self.drawn, self.drawn + size, device=self.numbers.device)
        self.drawn += size
        return uniform(self.purpose, self.numbers[:, None], elements).reshape(-1, *shape)

    def normal(self, *shape: int, dtype: torch.dtype = torch.float32) -> Float[Tensor, "batch ..."]:
        """Standard normal noise [batch, *shape]; a further call gives further noise."""
        # the inverse of the normal distribution function
        return (math.sqrt(2) * torch.erfinv(2 * self.uniform(*shape) - 1)).to(dtype)


_GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)  # as a signed number
_FACTORS = 0xBF58476D1CE4E5B9 - (1 << 64), 0x94D049BB133111EB - (1 << 64)


def _mix(state: Tensor) -> Tensor:
    state = (state ^ _shifted(state, 30)) * _FACTORS[0]
    state = (state ^ _shifted(state, 27)) * _FACTORS[1]
    return state ^ _shifted(state, 31)


def _shifted(state: Tensor, bits: int) -> Tensor:
    """A logical shift to the right, where int64 would copy the sign."""
    return (state >> bits) & ((1 << (64 - bits)) - 1)
