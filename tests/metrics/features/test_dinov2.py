import pickle

import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from darkroom import randomness
from darkroom.images import pil
from darkroom.metrics.features import DINOv2, FeatureNetwork, Yardstick, dinov2

NAME = "vit_small_patch14_dinov2.lvd142m"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Random weights of the smallest variant, as published: for images of 518 pixels."""
    path = tmp_path_factory.mktemp("weights") / dinov2.FILE
    with randomness.initialisation(0):
        save_file(timm.create_model(NAME, pretrained=False, num_classes=0).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def ours(weights):
    return DINOv2(weights=str(weights), variant="small", batch_size=2, device="cpu")


@pytest.fixture(autouse=True)
def bare_machine(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def test_the_features_are_the_class_token_of_timms_network(ours, weights, colourful):
    with randomness.initialisation(1):
        theirs = timm.create_model(
            NAME, True, {"file": str(weights)}, img_size=224, num_classes=0
        ).eval()
    transform = timm.data.create_transform(
        224, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), interpolation="bicubic"
    )
    square = colourful[:, :, :, :20]
    seen = [pil(image).resize((224, 224), Image.Resampling.BICUBIC) for image in square]
    with torch.no_grad():
        tokens = theirs.forward_features(torch.stack([transform(image) for image in seen]))
    features = ours(square)
    assert (features.shape, features.dtype) == ((5, 384), torch.float32)
    reference = tokens[:, 0]
    assert (features - reference).abs().max() < 0.02 * reference.std()  # Pillow rounds to bytes
    assert torch.allclose(ours(square[4:]), features[4:], atol=1e-4)


def test_it_is_what_a_config_may_name(ours):
    assert isinstance(ours, FeatureNetwork)
    assert isinstance(ours, Yardstick)
    assert ours.instrument.form.startswith("224x224 bicubic antialiased")
    assert len(ours.instrument.weights) == 16


def test_building_it_draws_nothing_from_the_global_generator(weights):
    before = torch.get_rng_state()
    DINOv2(weights=str(weights), variant="small", device="cpu")
    assert torch.equal(torch.get_rng_state(), before)


def test_weights_in_the_cache_of_the_hub_are_found(tmp_path, weights):
    assert not dinov2.at_hand("small")
    folder = tmp_path / f"models--timm--{NAME}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0" * 40)
    (folder / "snapshots" / ("0" * 40)).mkdir(parents=True)
    (folder / "snapshots" / ("0" * 40) / dinov2.FILE).symlink_to(weights)
    assert dinov2.at_hand("small")
    assert DINOv2(variant="small", device="cpu").instrument.name == "dinov2"


@pytest.mark.promise(
    "a pickle that runs code is given as DINOv2's weights",
    "it is refused as no safetensors file, and nothing runs",
)
def test_a_file_of_another_kind_is_refused_and_its_code_not_run(evil, tmp_path):
    file, proof = evil
    plain = tmp_path / "plain.safetensors"
    plain.write_bytes(pickle.dumps({"a": 1}))
    for path in (file, plain):
        with pytest.raises(ValueError, match="is no safetensors file"):
            DINOv2(weights=str(path), variant="small")
    assert not proof.exists()


def test_weights_of_another_variant_are_refused(weights):
    with pytest.raises(ValueError, match=r"no weights of vit_base.*features\.variant"):
        DINOv2(weights=str(weights), variant="base")


def test_missing_weights_are_answered_with_every_way_to_them():
    with pytest.raises(ValueError, match=r"features\.weights") as caught:
        DINOv2()
    for way in ("features.download=true", "346 MB", "hf download timm/vit_base", "=<path>"):
        assert way in str(caught.value)


def test_a_failing_download_says_what_to_do():
    with pytest.raises(ValueError, match=r"could not be fetched .*features\.weights=<path>"):
        DINOv2(download=True)


def test_its_package_is_asked_for(monkeypatch):
    monkeypatch.setattr(dinov2, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install -e '\.\[dinov2\]'"):
        DINOv2()
    assert not dinov2.at_hand()
