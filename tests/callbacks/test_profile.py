"""Costs go to the modules that cause them, and recording changes nothing."""

import re

import pytest
import torch
from torch import nn
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile

from darkroom.callbacks import Profile
from darkroom.callbacks.profile import OUTSIDE, costs_of, marked
from tests.systems.models import known


@pytest.fixture(autouse=True)
def every_model():
    with known():
        yield


class Busy(nn.Module):
    """So many products of matrices, the one after the other."""

    def __init__(self, products: int) -> None:
        super().__init__()
        self.products = products
        self.weight = nn.Parameter(torch.eye(64))

    def forward(self, rows):
        for _ in range(self.products):
            rows = rows @ self.weight
        return rows


class Work(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.idle, self.busy = Busy(1), nn.Sequential(Busy(40))

    def forward(self, rows):
        return self.busy(self.idle(rows)).square().sum()


@pytest.mark.parametrize("order", [1, 2])
def test_derivatives_of_every_order_are_their_modules_costs(order, monkeypatch):
    monkeypatch.setattr(FunctionEvent, "self_cpu_time_total", 1e3)  # a busy machine's would vary
    network, rows = Work(), torch.randn(256, 64, requires_grad=True)
    network(rows).backward()  # whatever the first time costs
    with marked(network), profile(activities=[ProfilerActivity.CPU]) as recorder:
        value = network(rows)
        for _ in range(order - 1):
            (slope,) = torch.autograd.grad(value, rows, create_graph=True)
            value = slope.square().sum()
        value.backward()
    costs = costs_of(recorder.events(), 1)
    assert next(iter(costs)) == "busy.0"
    assert costs["busy.0"].forward > 4 * costs["idle"].forward > 0
    assert costs["busy.0"].backward > 4 * costs["idle"].backward > 0
    assert costs["busy.0"].backward > order * 0.5 * costs["busy.0"].forward
    whole = sum(cost.whole for cost in costs.values())
    assert whole == len(recorder.events())


@pytest.mark.parametrize("model", ["gan", "wgan_gp", "vae"])
def test_a_recorded_run_ends_with_the_same_bits_and_leaves_a_trace_and_a_table(
    model, run, capsys, tmp_path
):
    plain, recorded = run(model, 64), run(model, 64, callbacks=(Profile(after=1, steps=2),))
    for name, weight in plain.system.state_dict().items():
        if torch.is_tensor(weight):
            assert torch.equal(recorded.system.state_dict()[name], weight)
    assert not any(module._forward_hooks for module in recorded.system.modules())
    (trace,) = tmp_path.glob("profile/*.pt.trace.json")
    assert "module " in trace.read_text()
    table = (tmp_path / "profile" / "modules.md").read_text()
    assert table in capsys.readouterr().out
    rows = re.findall(r"^\| (.+?) +\| +[\d.]+ \| +[\d.]+ \| +([\d.]+)% \|$", table, re.M)
    assert sum(float(share) for _, share in rows) == pytest.approx(100, abs=2)
    names = {name for name, _ in rows}
    assert {OUTSIDE, "(Adam)"} <= names
    assert {"ConvTranspose2d", "Conv2d"} <= {name.split()[-1] for name in names}


@pytest.mark.parametrize("option", ["after=-1", "steps=0"])
def test_numbers_that_make_no_sense_are_refused(option):
    name, value = option.split("=")
    with pytest.raises(ValueError, match=rf"callbacks\.profile\.{option}: type a number"):
        Profile(**{name: int(value)})


def test_compiled_networks_are_refused_and_short_runs_told_of(run, capsys):
    with pytest.raises(ValueError, match=r"Type trainer\.compile=false"):
        run("gan", 64, callbacks=(Profile(),), compile=True)
    run("gan", 64, callbacks=(Profile(after=1000),))
    assert "Nothing is profiled: the run ended after" in capsys.readouterr().out
