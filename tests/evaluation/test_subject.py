"""What is judged comes in order, in batches, and can be asked for again."""

import pytest
import torch

from darkroom.data.datasets import ArraySet, digits
from darkroom.evaluation import Pictures, Samples
from darkroom.evaluation.subject import CHUNK, Subject
from darkroom.sampling import develop, latents_of
from tests.conftest import tiny_system


class Ramp:
    """Draws each image in the grey that its first latent says, and counts what it computes."""

    latent_dim = 3

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, latents, labels=None):
        self.batches.append(len(latents))
        return latents[:, :1, None, None].clamp(-1, 1).expand(-1, 1, 4, 4)


SET = ArraySet(digits().pixels, digits().labels)


@pytest.mark.parametrize("number", [1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 5])
def test_samples_come_in_chunks_in_the_order_of_their_seeds(number: int) -> None:
    samples = Samples(Ramp(), number, first_seed=3)
    chunks = list(samples.batches())
    assert len(samples) == number == sum(map(len, chunks))
    assert [len(chunk) for chunk in chunks[:-1]] == [CHUNK] * (len(chunks) - 1)
    latents = latents_of(range(3, 3 + number), 3)
    torch.testing.assert_close(torch.cat(chunks), torch.cat(list(develop(Ramp(), latents))))


def test_no_more_than_a_batch_is_computed_at_once() -> None:
    ramp = Ramp()
    list(Samples(ramp, 300, batch_size=48).batches())
    assert set(ramp.batches) == {48}


@pytest.mark.parametrize("model", ["gan", "vae"])
def test_samples_asked_for_one_by_one_are_those_of_the_stream(model: str) -> None:
    system = tiny_system(model).eval()
    samples = Samples(system, CHUNK + 9, first_seed=11, batch_size=32)
    stream = torch.cat(list(samples.batches()))
    places = [CHUNK + 8, 0, 17, 17, CHUNK - 1]
    assert torch.equal(samples.at(places), stream[places])


def test_a_sample_depends_on_its_seed_alone() -> None:
    system = tiny_system("gan").eval()
    early, late = Samples(system, 40), Samples(system, 8, first_seed=32)
    assert torch.equal(early.at(range(32, 40)), late.at(range(8)))


@pytest.mark.parametrize("most", [None, 1, 7, CHUNK + 3, 10_000])
def test_pictures_are_spread_over_the_set_and_asked_for_again_by_place(most: int | None) -> None:
    pictures = Pictures(SET, most)
    stream = torch.cat(list(pictures.batches()))
    assert len(stream) == len(pictures) == min(most or len(SET), len(SET))
    places = [len(pictures) - 1, 0, len(pictures) // 2]
    assert torch.equal(pictures.at(places), stream[places])


def test_few_pictures_are_not_the_first_ones() -> None:
    numbers = torch.arange(1000, dtype=torch.int64)
    pixels = (numbers % 251).to(torch.uint8)[:, None, None, None].expand(-1, 1, 2, 2)
    few = Pictures(ArraySet(pixels.contiguous(), numbers), 10)
    seen = torch.cat(list(few.batches()))[:, 0, 0, 0].tolist()
    assert seen == [100 * k % 251 for k in range(10)]


def test_both_are_subjects() -> None:
    assert isinstance(Samples(Ramp(), 3), Subject)
    assert isinstance(Pictures(SET), Subject)
