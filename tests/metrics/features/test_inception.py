from hashlib import sha256
from io import BytesIO

import pytest
import torch
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from darkroom import randomness
from darkroom.metrics.features import FeatureNetwork, Inception, Yardstick, inception


class RandomInception(FeatureExtractorInceptionV3):
    """torch-fidelity's own network, with the weights it happens to begin with."""

    def __init__(self):
        nothing = BytesIO()
        torch.save({}, nothing)
        nothing.seek(0)
        super().__init__("inception", ["2048"], nothing)
        for module in self.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.weight.mul_(6**0.5)  # or nothing would be left after so many layers

    def load_state_dict(self, state):
        """Leaves them."""


@pytest.fixture(scope="module")
def theirs():
    with randomness.initialisation(3):
        return RandomInception()


@pytest.fixture(scope="module")
def weights(theirs, tmp_path_factory):
    """A file of them, in PyTorch's cache of a machine where somebody has put it."""
    path = tmp_path_factory.mktemp("torch") / "hub" / "checkpoints" / inception.FILE
    path.parent.mkdir(parents=True)
    torch.save(theirs.state_dict(), path)
    return path


@pytest.fixture
def expected(weights, monkeypatch):
    """These are the weights that are expected."""
    monkeypatch.setattr(inception, "SHA256", sha256(weights.read_bytes()).hexdigest())


@pytest.fixture(autouse=True)
def bare_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))


@pytest.mark.usefixtures("expected")
def test_the_features_are_those_of_torch_fidelity(weights, theirs, colourful):
    ours = Inception(weights=str(weights), batch_size=3, device="cpu")
    features = ours(colourful)
    with torch.no_grad():
        (reference,) = theirs(colourful)
    assert (features.shape, features.dtype) == ((5, 2048), torch.float32)
    assert torch.allclose(features, reference, rtol=1e-3, atol=1e-5)
    assert features.std(0).max() > 1e-3  # they do tell images apart
    assert torch.allclose(ours(colourful[4:]), features[4:], rtol=1e-3, atol=1e-5)
    assert isinstance(ours, FeatureNetwork)
    assert isinstance(ours, Yardstick)
    assert ours.instrument.weights == inception.SHA256[:16]


@pytest.mark.usefixtures("expected")
def test_weights_in_the_cache_of_pytorch_are_found(weights, monkeypatch):
    assert not inception.at_hand()
    monkeypatch.setenv("TORCH_HOME", str(weights.parents[2]))
    assert inception.at_hand()
    before = torch.get_rng_state()
    assert Inception(device="cpu").instrument.name == "inception"
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.promise(
    "a file of feature weights is not the published one",
    "it is refused by its hash before anything reads it",
)
def test_another_file_is_refused_unread(evil):
    file, proof = evil
    with pytest.raises(ValueError, match=r"not with 6726825d\. Nothing of it was loaded"):
        Inception(weights=str(file))
    assert not proof.exists()


@pytest.mark.promise(
    "a file of feature weights holds code, under the hash that is expected",
    "it is refused, and nothing runs",
)
def test_code_is_not_run_even_under_the_right_hash(evil, monkeypatch):
    file, proof = evil
    monkeypatch.setattr(inception, "SHA256", sha256(file.read_bytes()).hexdigest())
    with pytest.raises(ValueError, match="does not hold plain weights"):
        Inception(weights=str(file))
    assert not proof.exists()


def test_other_weights_are_refused(tmp_path, monkeypatch):
    file = tmp_path / "other.pth"
    torch.save({"weight": torch.zeros(1)}, file)
    monkeypatch.setattr(inception, "SHA256", sha256(file.read_bytes()).hexdigest())
    with pytest.raises(ValueError, match="not the FID network's weights"):
        Inception(weights=str(file))


def test_missing_weights_are_answered_with_every_way_to_them(tmp_path):
    with pytest.raises(ValueError, match=r"features\.weights") as caught:
        Inception()
    for way in ("features.download=true", inception.URL, str(tmp_path), "=<path>", "lite0"):
        assert way in str(caught.value)
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        Inception(weights=str(tmp_path / "nowhere.pth"))


def test_nothing_is_fetched_unasked_and_failing_says_what_to_do(monkeypatch):
    asked = []

    def offline(url, path, hash_prefix):
        asked.append((url, hash_prefix))
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(ValueError, match="are not on this machine"):
        Inception()
    assert asked == []
    with pytest.raises(ValueError, match=r"could not be fetched \(no network\).*weights=<path>"):
        Inception(download=True)
    assert asked == [(inception.URL, inception.SHA256)]


def test_its_package_is_asked_for(monkeypatch):
    monkeypatch.setattr(inception, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install -e '\.\[inception\]'"):
        Inception()
    assert not inception.at_hand()


def test_the_hash_is_the_one_in_the_files_name():
    assert inception.FILE.endswith(f"-{inception.SHA256[:8]}.pth")
