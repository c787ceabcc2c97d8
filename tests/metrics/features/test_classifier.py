from dataclasses import replace

import pytest
import torch

from darkroom.metrics.features import Classifier, FeatureNetwork, Lesson, Yardstick, classifier


@pytest.fixture
def short(monkeypatch):
    """A lesson takes no time, and teaches little."""
    monkeypatch.setattr(classifier, "AT_LEAST", 1000)
    monkeypatch.setattr(classifier, "MOST_EPOCHS", 4)
    monkeypatch.setattr(classifier, "EPOCHS", 1)


@pytest.fixture
def fit(tmp_path):
    def fitted(lesson):
        return Classifier(cache=str(tmp_path / "cache"), device="cpu").fitted(lesson)

    return fitted


def test_it_is_what_a_config_may_name(taught):
    assert isinstance(Classifier(), Yardstick)
    assert isinstance(taught, FeatureNetwork)


def test_it_tells_digits_that_it_has_never_seen(taught, digits, lesson):
    pixels, labels = (part[len(lesson.pixels) :] for part in digits)
    accuracy = float((taught.classes(pixels) == labels).float().mean())
    assert accuracy > 0.95
    assert 0.95 < taught.accuracy <= 1
    assert 0.95 < taught.balanced_accuracy <= 1


def test_more_noise_is_farther_away(taught, distances_with_noise):
    distances = distances_with_noise(taught)
    assert distances == sorted(distances)
    assert distances[1] > 3 * abs(distances[0])


def test_features_have_both_signs_and_one_length(taught, digits):
    pixels, _ = digits
    features = taught(pixels[:300])
    assert (features.shape, features.dtype) == ((300, 128), torch.float32)
    assert 0.3 < (features < 0).float().mean() < 0.8
    assert torch.allclose(taught(pixels[299:300]), features[299:], atol=1e-4)
    probabilities = taught.probabilities(pixels[:300])
    assert torch.allclose(probabilities.sum(1), torch.ones(300), atol=1e-5)
    assert torch.equal(probabilities.argmax(1), taught.classes(pixels[:300]))


def test_images_of_another_size_are_resized_and_colours_refused(taught, digits):
    pixels, labels = digits
    larger = pixels[-200:].repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert (taught.classes(larger) == labels[-200:]).float().mean() > 0.9
    with pytest.raises(ValueError, match="taught with grey images"):
        taught(larger.expand(-1, 3, -1, -1))


def test_transparency_is_seen_over_grey(taught, digits):
    pixels, _ = digits
    opaque = torch.cat([pixels[:9], torch.full_like(pixels[:9], 255)], dim=1)
    assert torch.equal(taught(opaque), taught(pixels[:9]))
    hidden = torch.cat([pixels[:9], torch.zeros_like(pixels[:9])], dim=1)
    assert torch.equal(taught(hidden), taught(torch.full_like(pixels[:9], 128)))


@pytest.mark.usefixtures("short")
def test_it_is_taught_once_and_the_same_again(fit, lesson, capsys, tmp_path, digits):
    before = torch.get_rng_state()
    first = fit(lesson)
    assert "learns 10 classes from 1,2" in capsys.readouterr().out
    second = fit(lesson)
    assert capsys.readouterr().out == ""
    assert torch.equal(torch.get_rng_state(), before)
    (file,) = (tmp_path / "cache").iterdir()
    content = file.read_bytes()
    file.unlink()
    third = fit(lesson)
    assert "learns" in capsys.readouterr().out
    assert file.read_bytes() == content
    pixels = digits[0][:50]
    for other in (second, third):
        assert other.instrument == first.instrument
        assert other.accuracy == first.accuracy
        assert torch.equal(other(pixels), first(pixels))


@pytest.mark.usefixtures("short")
def test_other_lessons_have_other_files(fit, lesson, tmp_path, monkeypatch):
    fit(lesson)
    fit(replace(lesson, fingerprint="others"))
    fit(replace(lesson, pixels=lesson.pixels[:, :, 2:]))
    fit(replace(lesson, class_names=(*lesson.class_names, "ten")))
    monkeypatch.setattr(classifier, "RECIPE", classifier.RECIPE + 1)
    fit(lesson)
    assert len(list((tmp_path / "cache").iterdir())) == 5


@pytest.mark.promise(
    "a kept classifier is cut, emptied, or replaced by one that runs code",
    "it is taught anew, and nothing runs",
)
@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("broken", ["cut", "empty", "evil"])
def test_a_broken_file_in_the_cache_is_made_anew(fit, lesson, tmp_path, evil, capsys, broken):
    instrument = fit(lesson).instrument
    (file,) = (tmp_path / "cache").iterdir()
    content = file.read_bytes()
    evil_file, proof = evil
    file.write_bytes({"cut": content[:-500], "empty": b"", "evil": evil_file.read_bytes()}[broken])
    assert fit(lesson).instrument == instrument
    assert "is broken and is made anew" in capsys.readouterr().out
    assert file.read_bytes() == content
    assert not proof.exists()
    assert list((tmp_path / "cache").iterdir()) == [file]


@pytest.mark.usefixtures("short")
def test_weights_of_another_network_in_the_cache_are_made_anew(fit, lesson, tmp_path):
    instrument = fit(lesson).instrument
    (file,) = (tmp_path / "cache").iterdir()
    torch.save({"accuracies": torch.zeros(2, dtype=torch.float64)}, file)
    assert fit(lesson).instrument == instrument


def test_a_folder_that_cannot_be_is_refused(lesson, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"features\.cache=.*Type features\.cache=<a folder>"):
        Classifier(cache=str(tmp_path / "file")).fitted(lesson)


def test_the_classes_of_channels_are_read_as_a_number(taught, digits, lesson):
    pixels, labels = digits
    triples = torch.cat([pixels[1440:1460], pixels[1470:1490], pixels[1500:1520]], dim=1)
    numbers = 100 * labels[1440:1460] + 10 * labels[1470:1490] + labels[1500:1520]
    known = classifier._Known(taught._look.network, 1.0, 1.0)
    each = classifier.Taught(known, replace(lesson, per_channel=True), 64, "cpu")
    assert each(triples).shape == (20, 3 * 128)
    assert torch.allclose(each(triples)[:, 128:256], taught(pixels[1470:1490]), atol=1e-4)
    assert (each.classes(triples) == numbers).float().mean() > 0.8
    probabilities = each.probabilities(triples)
    assert probabilities.shape == (20, 1000)
    assert torch.equal(probabilities.argmax(1), each.classes(triples))
    assert each.instrument.form != taught.instrument.form


@pytest.mark.usefixtures("short")
def test_what_was_learnt_in_colour_judges_grey_too(fit, digits):
    pixels, labels = digits
    colours = pixels[:400].repeat(1, 4, 1, 1)
    colours[:, 3] = 255
    network = fit(Lesson(colours, labels[:400], tuple("0123456789"), "colour"))
    assert torch.allclose(network(pixels[:5]), network(colours[:5]), atol=1e-5)
    assert "RGB" in network.instrument.form


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("size", [(16, 24), (33, 33), (130, 70)])
def test_any_size_can_be_learnt(fit, size):
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (60, 3, *size), dtype=torch.uint8, generator=generator)
    network = fit(Lesson(pixels, torch.arange(60) % 3, ("a", "b", "c"), str(size)))
    assert network(pixels[:2]).shape == (2, 128)


@pytest.mark.usefixtures("short")
def test_few_images_and_classes_without_images_do_no_harm(fit):
    pixels = torch.zeros(3, 1, 16, 16, dtype=torch.uint8)
    network = fit(Lesson(pixels, torch.tensor([0, 0, 2]), ("a", "b", "c"), "three"))
    assert network.accuracy != network.accuracy  # nothing could be held out
    assert network(pixels).isfinite().all()


@pytest.mark.usefixtures("short")
def test_a_validation_around_it_does_not_stop_it_from_learning(fit, lesson):
    with torch.inference_mode():
        inside = fit(lesson)
    assert fit(replace(lesson, fingerprint="outside")).instrument == inside.instrument


def test_the_held_out_share_is_of_each_class():
    labels = torch.tensor([0] * 95 + [1] * 20 + [2] * 5)
    learnt, held_out = classifier._parts(labels, 3)
    assert labels[held_out].bincount(minlength=3).tolist() == [9, 2, 0]
    assert torch.cat([learnt, held_out]).sort().values.tolist() == list(range(120))


def test_a_rare_class_counts_as_much_as_a_frequent_one():
    said, true = torch.tensor([0, 0, 0, 0]), torch.tensor([0, 0, 0, 1])
    assert classifier._accuracies(said, true) == (0.75, 0.5)


def test_images_are_shifted_each_by_itself(digits):
    pixels, places = digits[0][:40], torch.arange(40)
    epochs = torch.zeros(40, dtype=torch.int64)
    moved = classifier._shifted(pixels, epochs, places)
    assert torch.equal(moved[7:8], classifier._shifted(pixels[7:8], epochs[7:8], places[7:8]))
    assert not torch.equal(moved, classifier._shifted(pixels, epochs + 1, places))
    unmoved = (moved == pixels).flatten(1).all(1).float().mean()
    assert 0 < unmoved < 0.5  # one of nine


def test_without_classes_it_says_what_else_to_type(lesson):
    for names in ((), ("only",)):
        with pytest.raises(ValueError, match=r"Type features=lite0 or features=thumbnail"):
            Classifier().fitted(replace(lesson, class_names=names))
    with pytest.raises(ValueError, match="4x16 are too small"):
        Classifier().fitted(replace(lesson, pixels=lesson.pixels[:, :, :4]))
