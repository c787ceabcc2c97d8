"""Findings are said once, while there is time to do something about them."""

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from darkroom.callbacks import Diagnosis
from darkroom.diagnosis import Finding
from darkroom.loggers import Table, TensorBoard

SEVERE = Finding("a flood", "Water.", "Rain.", {"model.boat=true": "floats"}, severity=3)
MILD = Finding("a shower", "Drops.", "Clouds.", {}, severity=1)


@pytest.fixture
def cases(monkeypatch):
    """What the diagnosis was shown; the flood is found from the second look on."""
    shown = []

    def diagnose(case):
        shown.append(case)
        return [SEVERE, MILD][-len(shown) :] if len(shown) < 3 else [SEVERE, MILD]

    monkeypatch.setattr("darkroom.callbacks.diagnosis.diagnose", diagnose)
    return shown


def test_a_finding_is_said_once_and_a_mild_one_at_the_end(cases, run, tmp_path, capsys):
    loggers = [Table(str(tmp_path)), TensorBoard(str(tmp_path))]
    run("gan", images=64, callbacks=(Diagnosis(16),), logger=loggers)
    said = capsys.readouterr().out
    assert said.count("a flood") == said.count("a shower") == 1
    assert "32 images: a flood: Water. Rain.\n  try model.boat=true (floats)\n" in said
    assert "64 images: a shower: Drops. Clouds.\n" in said
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    texts = events.Tensors("diagnosis/text_summary")
    assert [text.step for text in texts] == [32, 64]
    assert b"model.boat=true" in texts[0].tensor_proto.string_val[0]


def test_a_case_holds_the_curves_the_options_and_the_sizes(cases, run, tmp_path):
    table = Table(str(tmp_path))
    options = {"logger": table, "log_every_n_steps": 1}
    finished = run("gan", images=64, callbacks=(Diagnosis(16),), **options)
    for step, case in enumerate(cases, 1):
        assert case.curves["loss/generator"].images.tolist() == [16 * k for k in range(1, step + 1)]
    (tmp_path / "config.yaml").write_text("model:\n  objective: {beta: 2.0}\nseed: 1\n")
    Diagnosis(16).act(finished.trainer, finished.system)
    assert cases[-1].options == {"model.objective.beta": 2.0, "seed": 1}
    assert cases[-1].training_images == len(finished.data.training)
    system = finished.system
    trained = [*system.generator.parameters(), *system.discriminator.parameters()]
    assert cases[-1].parameters == sum(weight.numel() for weight in trained)


def test_what_was_said_is_not_said_again_after_a_resumption(cases, run, capsys):
    before = Diagnosis(16)
    run("gan", images=48, callbacks=(before,))
    resumed = Diagnosis(16)
    resumed.load_state_dict(before.state_dict())
    capsys.readouterr()
    run("gan", images=48, callbacks=(resumed,))
    assert capsys.readouterr().out == ""
