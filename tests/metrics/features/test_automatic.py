from dataclasses import replace

import pytest
import torch

from darkroom.metrics.features import Automatic, Lesson, Yardstick, dinov2, inception, lite0
from darkroom.metrics.features.automatic import choice

EVERYTHING = {"dinov2", "inception", "lite0"}


@pytest.fixture
def at_hand(monkeypatch):
    def only(names):
        for module in (dinov2, inception, lite0):
            name = module.__name__.rpartition(".")[2]
            monkeypatch.setattr(module, "at_hand", lambda there=name in names: there)

    return only


def data(channels=3, side=32, classes=10, per_channel=False):
    pixels = torch.zeros(4, channels, side, side, dtype=torch.uint8)
    names = tuple(map(str, range(classes)))
    return Lesson(pixels, torch.zeros(4, dtype=torch.int64), names, "", per_channel)


@pytest.mark.parametrize(
    ("lesson", "accelerated", "there", "chosen"),
    [
        (data(), True, EVERYTHING, "dinov2"),
        (data(), True, {"inception", "lite0"}, "inception"),
        (data(), False, EVERYTHING, "lite0"),
        (data(4), True, {"lite0"}, "lite0"),
        (data(), True, set(), "classifier"),
        (data(classes=1), True, set(), "thumbnail"),
        (data(classes=0), False, set(), "thumbnail"),
        (data(1, 28), True, EVERYTHING, "classifier"),
        (data(2, 64), False, EVERYTHING, "classifier"),
        (data(1, 128), False, EVERYTHING, "lite0"),
        (data(1, 28, classes=2), False, EVERYTHING, "lite0"),
        (data(1, 28, classes=0), True, EVERYTHING, "dinov2"),
        (data(1, 28, per_channel=True), True, EVERYTHING, "classifier"),
    ],
)
def test_the_data_and_the_machine_decide(at_hand, lesson, accelerated, there, chosen):
    at_hand(there)
    assert choice(lesson, accelerated)[0] == chosen


def test_it_says_what_it_took_and_what_else_there_is(at_hand, capsys):
    at_hand(set())
    automatic = Automatic(device="cpu")
    assert isinstance(automatic, Yardstick)
    assert automatic.fitted(data(classes=0)).instrument.name == "thumbnail"
    said = capsys.readouterr().out
    assert said.startswith("features=auto: thumbnail, because lite0 is not installed")
    assert "features=lite0, classifier" in said
    assert said.count("\n") == 1


def test_what_it_takes_gets_its_options(lesson, tmp_path, monkeypatch):
    monkeypatch.setattr("darkroom.metrics.features.classifier.AT_LEAST", 128)
    monkeypatch.setattr("darkroom.metrics.features.classifier.EPOCHS", 1)
    small = replace(lesson, pixels=lesson.pixels[:200], labels=lesson.labels[:200])
    network = Automatic(cache=str(tmp_path), device="cpu").fitted(small)
    assert network.instrument.name == "classifier"
    assert len(list(tmp_path.iterdir())) == 1
