import pytest
import torch

from darkroom.metrics.features import FeatureNetwork, Thumbnail, Yardstick, thumbnails


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


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_the_network_has_one_length_for_any_channels(channels):
    thumbnail = Thumbnail(side=4)
    assert isinstance(thumbnail, FeatureNetwork)
    assert isinstance(thumbnail, Yardstick)
    features = thumbnail(torch.full((2, channels, 9, 7), 255, dtype=torch.uint8))
    assert (features.shape, features.dtype) == ((2, 3 * 4 * 4), torch.float32)
    assert features.unique().tolist() == [1.0]


def test_its_form_tells_its_side(lesson):
    assert Thumbnail(side=4).instrument.form.startswith("4x4 ")
    assert Thumbnail().fitted(lesson).instrument == Thumbnail().instrument
    with pytest.raises(ValueError, match=r"features\.side=0"):
        Thumbnail(side=0)


def test_many_images_are_as_single_ones(digits):
    pixels, _ = digits
    assert torch.equal(Thumbnail()(pixels)[-1:], Thumbnail()(pixels[-1:]))


def test_more_noise_is_farther_away(distances_with_noise):
    distances = distances_with_noise(Thumbnail())
    assert distances == sorted(distances)
