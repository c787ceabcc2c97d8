import pytest
import torch

from darkroom.metrics import thumbnails


def test_thumbnails_are_means_of_blocks_within_minus_one_to_one():
    block = torch.tensor([[0, 255], [255, 255]], dtype=torch.uint8)
    pixels = block.repeat_interleave(3, 0).repeat_interleave(3, 1)[None, None]
    assert thumbnails(pixels, side=2).tolist() == [[-1, 1, 1, 1]]
    assert thumbnails(pixels, side=1).tolist() == [[0.5]]


@pytest.mark.parametrize("resolution", [5, 8, 28])
def test_thumbnails_have_one_length_for_any_resolution(resolution):
    pixels = torch.zeros(2, 3, resolution, resolution, dtype=torch.uint8)
    features = thumbnails(pixels)
    assert features.shape == (2, 3 * 8 * 8)
    assert features.dtype == torch.float64
