"""Latents in a file: what comes back is what was written, and nothing else is taken for it."""

import json
import re

import pytest
import torch

from darkroom.sampling import found
from darkroom.sampling.found import Found


def some(labels=None, n=3, latent_dim=5):
    draw = torch.Generator().manual_seed(0)
    latents = torch.randn(n, latent_dim, generator=draw)
    latents[0, 0], latents[0, 1] = 1e-30, torch.finfo(torch.float32).max
    psnr = 20 + torch.randn(n, generator=draw)
    return Found(latents, labels, psnr, tuple(f"{k:06d}" for k in range(n)))


@pytest.mark.parametrize("labels", [None, torch.tensor([2, 0, 1])])
def test_every_bit_comes_back_out_of_the_folder_or_the_file(labels, tmp_path):
    written = some(labels)
    path = written.write(tmp_path / "a" / "b")
    for place in (path, path.parent):
        back = found.read(str(place), 5, 0 if labels is None else 3)
        assert torch.equal(back.latents, written.latents)
        assert torch.equal(back.psnr, written.psnr)
        assert back.names == written.names
        if labels is None:
            assert back.labels is None
        else:
            assert torch.equal(back.labels, labels)


def test_an_image_is_a_line_that_people_can_read(tmp_path):
    _, *lines, _ = some().write(tmp_path).read_text().splitlines()
    assert len(lines) == 3
    assert json.loads(lines[1].rstrip(",")).keys() == {"name", "label", "psnr", "latent"}


def test_a_home_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    some().write(tmp_path / "mine")
    assert len(found.read("~/mine", 5).names) == 3


def test_what_is_not_there_is_refused_by_its_name(tmp_path):
    for place in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(
            ValueError, match=r"draw\.latents=.* cannot be read: No such file.*Type"
        ):
            found.read(str(place), 5)


ENTRY = {"name": "000000", "label": None, "psnr": 20.0, "latent": [0.0, 0.0]}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a picture",
        "{}x",
        "7",
        '{"latent": [0, 0]}',
        json.dumps([{**ENTRY, "latent": "many"}]),
        json.dumps([{**ENTRY, "name": 3}]),
        json.dumps([ENTRY, {**ENTRY, "name": "b", "latent": [0.0]}]),
        json.dumps([{"latent": [0.0, 0.0]}]),
        "[" * 100_000,
        "\udcff",
    ],
)
def test_what_holds_no_latents_is_refused(text, tmp_path):
    (tmp_path / "latents.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ValueError, match=r"draw\.latents=.* holds no latents\. Type the folder"):
        found.read(str(tmp_path), 2)


@pytest.mark.parametrize(
    "entries", [[], [ENTRY, ENTRY], [{**ENTRY, "latent": [0.0, float("nan")]}]]
)
def test_what_is_damaged_is_refused(entries, tmp_path):
    (tmp_path / "latents.json").write_text(json.dumps(entries))
    with pytest.raises(ValueError, match=r"is damaged: it holds no latents, or two of one name"):
        found.read(str(tmp_path), 2)


@pytest.mark.parametrize(
    ("labels", "latent_dim", "classes", "said"),
    [
        (None, 6, 0, "these latents are not of 6 numbers each, which this model takes. Type the"),
        (None, 5, 3, "a latent has the class None, and this model draws classes 0 to 2. Type the"),
        ([0, 3, 1], 5, 3, "a latent has the class 3, and this model draws classes 0 to 2"),
        ([0, -1, 1], 5, 3, "a latent has the class -1, and this model draws classes 0 to 2"),
        ([0, 1, 2], 5, 0, "a latent has the class 0, and this model was not told of any classes"),
    ],
)
def test_what_was_found_for_another_model_is_refused(labels, latent_dim, classes, said, tmp_path):
    some(None if labels is None else torch.tensor(labels)).write(tmp_path)
    with pytest.raises(ValueError, match=re.escape(said)):
        found.read(str(tmp_path), latent_dim, classes)


def test_a_class_that_is_no_number_is_refused(tmp_path):
    (tmp_path / "latents.json").write_text(json.dumps([{**ENTRY, "label": [1]}]))
    with pytest.raises(ValueError, match=r"has the class \[1\]"):
        found.read(str(tmp_path), 2, 3)


def test_a_name_leads_to_no_other_folder(tmp_path):
    (tmp_path / "latents.json").write_text(json.dumps([{**ENTRY, "name": "../../other/000000"}]))
    assert found.read(str(tmp_path), 2).names == ("000000",)
