"""One measuring path: what is real is told from what is not, and from what is copied."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from darkroom.data import Digits
from darkroom.data.datasets import ArraySet
from darkroom.evaluation import Judge, Pictures, Samples
from darkroom.evaluation.record import Number
from darkroom.metrics.features import Classifier, Thumbnail
from tests.conftest import tiny_system


class Plain(Digits):
    """Digits whose classes nobody knows."""

    def load(self) -> ArraySet:
        known = super().load()
        return ArraySet(known.pixels, torch.zeros_like(known.labels))


def digits(kind: type[Digits] = Digits, **options: object) -> Digits:
    data = kind(**{"resolution": 16, "channels": 1, "validation": 0.5} | options)  # type: ignore[arg-type]
    data.setup()
    return data


def noise(n: int) -> Pictures:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (n, 1, 16, 16), generator=generator, dtype=torch.uint8)
    return Pictures(ArraySet(pixels, torch.zeros(n, dtype=torch.int64)))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("features"))


@pytest.fixture(scope="module")
def data() -> Digits:
    """Half of the digits to train on; of the others a half stands in as an honest generator."""
    whole = digits()
    whole.test = whole.held_out.subset(torch.arange(0, len(whole.held_out), 2))
    whole.held_out = whole.held_out.subset(torch.arange(1, len(whole.held_out), 2))
    return whole


@pytest.fixture(scope="module")
def judge(cache: str) -> Judge:
    """A judge with a classifier of its own, which knows the digits from one teaching."""
    return Judge(Thumbnail(), samples=400, real=2000, cache=cache)


@pytest.fixture(scope="module")
def verdicts(judge: Judge, data: Digits):
    """Honest images, copies and noise, judged."""
    copies = Pictures(data.training.subset(torch.arange(0, len(data.training), 2)))
    subjects = {"honest": Pictures(data.test), "copies": copies, "noise": noise(440)}
    return {name: judge(subject, data, name) for name, subject in subjects.items()}


def numbers(verdicts, name: str) -> dict[str, Number]:
    return verdicts[name][0].numbers


def test_real_images_are_near_the_floors(verdicts) -> None:
    found = numbers(verdicts, "honest")
    for metric in ("precision", "recall", "coverage"):
        number = found[f"{metric}_thumbnail"]
        assert number.value == pytest.approx(number.floor, abs=0.1), metric
    kid = found["kid_thumbnail"]
    assert abs(kid.value - kid.floor) < 4 * kid.error
    assert found["classes_reached_classifier"].value == 10
    assert found["class_tv_classifier"].value < 0.15


def test_real_images_are_not_accused(verdicts) -> None:
    audit = verdicts["honest"][0].originality
    assert audit.copied < 0.05
    assert audit.interval[0] == 0
    assert "copies" not in audit.verdict.split(":")[0]


def test_copies_are_accused_and_shown_beside_their_originals(verdicts) -> None:
    evaluation, exhibits = verdicts["copies"]
    assert evaluation.originality.copied > 0.95
    assert evaluation.originality.verdict.startswith("It copies its training images")
    samples, originals = exhibits.pairs[::2], exhibits.pairs[1::2]
    assert len(samples) == len(originals) == 12
    assert torch.equal(samples, originals)


def test_noise_is_bad_in_every_number(verdicts) -> None:
    honest, bad = numbers(verdicts, "honest"), numbers(verdicts, "noise")
    assert honest.keys() == bad.keys()
    for name, number in bad.items():
        better = number.value < honest[name].value
        assert better == (number.better == "higher"), name
    assert bad["kid_thumbnail"].value > 10 * abs(bad["kid_thumbnail"].floor)
    assert bad["precision_thumbnail"].value == 0


def test_noise_is_no_copy(verdicts) -> None:
    assert verdicts["noise"][0].originality.copied == 0


def test_each_class_has_a_row_and_samples_of_it(verdicts) -> None:
    evaluation, exhibits = verdicts["honest"]
    assert list(evaluation.classes) == list("0123456789") == list(exhibits.classes)
    shares = [row["share"] for row in evaluation.classes.values()]
    assert sum(share.value for share in shares) == pytest.approx(1)
    assert sum(share.floor for share in shares) == pytest.approx(1)
    assert all("kid_thumbnail" in row for row in evaluation.classes.values())
    assert all(0 < len(strip) <= 12 for strip in exhibits.classes.values())


def test_the_pictures_are_the_first_samples_and_real_ones_of_everywhere(verdicts, data) -> None:
    exhibits = verdicts["honest"][1]
    assert torch.equal(exhibits.samples, data.test.first(64))
    assert len(exhibits.real) == 64
    assert not torch.equal(exhibits.real, data.training.first(64))


def test_the_protocol_says_how_it_was_measured(verdicts, data: Digits, judge: Judge) -> None:
    protocol = verdicts["honest"][0].protocol
    assert protocol.instrument == Thumbnail().instrument
    assert protocol.samples == len(data.test)
    assert (protocol.first_seed, protocol.split) == (None, "training")
    assert (protocol.reference, protocol.held_out) == (len(data.training), len(data.held_out))
    assert protocol.data == data.training.fingerprint()
    assert protocol.versions["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert protocol == judge.protocol(data, len(data.test), None)


def test_what_is_judged_without_a_run_says_nothing_of_one(verdicts) -> None:
    evaluation, exhibits = verdicts["honest"]
    assert (evaluation.subject, evaluation.images_seen, evaluation.checkpoint) == (
        "honest",
        None,
        "",
    )
    assert not evaluation.latents
    assert not evaluation.findings
    assert exhibits.reconstructions is None


def test_the_same_again_gives_the_same_numbers(verdicts, data: Digits, cache: str) -> None:
    again, _ = Judge(Thumbnail(), 400, 2000, cache=cache)(Pictures(data.test), data, "honest")
    assert again == verdicts["honest"][0]


@pytest.mark.parametrize("split", ["held_out", "test"])
def test_samples_can_be_compared_with_another_part(split: str, data: Digits, cache: str) -> None:
    judged = Judge(Thumbnail(), split=split, cache=cache)(noise(40), data, "noise")[0]
    part = getattr(data, split)
    assert judged.protocol.split == split
    assert judged.protocol.reference == len(part)
    assert judged.protocol.data == part.fingerprint()
    # the audit is about the images that were trained on, whatever the samples are compared with
    assert judged.originality is not None


def test_the_same_training_images_with_other_held_out_ones_are_other_data(
    data: Digits, judge: Judge
) -> None:
    other = digits()
    other.training, other.held_out, other.test = data.training, data.test, data.held_out
    protocols = [judge.protocol(each, 400, 0) for each in (data, other)]
    assert judge.bench(data) is not judge.bench(other)
    assert judge.bench(data) is judge.bench(data)
    assert {protocol.data for protocol in protocols} == {data.training.fingerprint()}


def test_data_without_classes_are_judged_without_them(cache: str) -> None:
    data = digits(Plain, limit=600)
    evaluation, exhibits = Judge(Thumbnail(), cache=cache)(noise(60), data, "noise")
    assert not [name for name in evaluation.numbers if "class" in name]
    assert not evaluation.classes
    assert not exhibits.classes
    assert evaluation.originality is not None


def test_one_class_is_none_that_could_be_told(cache: str) -> None:
    data = digits(Plain, limit=300)
    for part in ("training", "held_out", "test"):
        setattr(data, part, replace(getattr(data, part), class_names=("digit",)))
    evaluation, _ = Judge(Thumbnail(), cache=cache)(noise(60), data, "noise")
    assert not evaluation.classes


def test_a_classifier_that_measures_also_counts(data: Digits, cache: str) -> None:
    judge = Judge(Classifier(cache=cache), real=300, cache=cache)
    evaluation, _ = judge(Pictures(data.test, 100), data, "honest")
    bench = judge.bench(data)
    assert bench.classifier is bench.network
    assert evaluation.protocol.instrument.name == "classifier"
    assert evaluation.numbers["classes_reached_classifier"].value == 10
    assert evaluation.protocol.reference == 300


def test_samples_of_a_generator_are_judged_whatever_the_batch(data: Digits, judge: Judge) -> None:
    system = tiny_system("gan").eval()
    few, many = (
        judge(Samples(system, 60, batch_size=size), data, "gan")[0].numbers for size in (7, 60)
    )
    for name, number in few.items():
        assert number.value == pytest.approx(many[name].value, rel=1e-3, abs=1e-6), name


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"split": "validation"}, "split=validation: type training, held_out or test"),
        ({"samples": 3}, "samples=3 tells nothing. Type samples=2000 or more"),
        ({"real": 0}, "real=0 tells nothing. Type real=2000 or more"),
        ({"first_seed": -1}, "first_seed=-1: type a number from 0 on"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Judge(Thumbnail(), **options)  # type: ignore[arg-type]


def test_a_part_that_the_data_lack_is_refused_before_anything_is_computed(cache: str) -> None:
    data = digits(limit=100)
    with pytest.raises(ValueError, match=r"split=test: the data have no such part.*split=held_out"):
        Judge(Thumbnail(), split="test", cache=cache)(noise(60), data, "noise")


def test_a_handful_of_images_is_refused(data: Digits, judge: Judge) -> None:
    with pytest.raises(ValueError, match="sprites: 15 images tell nothing"):
        judge(noise(15), data, "sprites")


def test_images_of_another_size_are_refused(judge: Judge) -> None:
    data = digits(resolution=8, limit=100)
    with pytest.raises(ValueError, match=r"are 16x16 with 1 channel, and those .* 8x8 with 1"):
        judge(noise(60), data, "noise")


def test_a_tiny_set_is_judged_with_what_it_allows(tmp_path: Path) -> None:
    data = digits(limit=24)
    evaluation, exhibits = Judge(Thumbnail(), cache=str(tmp_path))(noise(20), data, "noise")
    assert evaluation.originality.verdict.startswith("No verdict")
    assert len(exhibits.samples) == 20
    assert 0 < len(exhibits.real) <= 24
