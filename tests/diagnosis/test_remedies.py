"""Remedies are typed from the options that a run has had."""

from typing import Any

from darkroom.diagnosis import Case, dotted
from darkroom.diagnosis.remedies import longer, more_data, replaced, scaled


def case(**options: Any) -> Case:
    return Case({}, dotted(options), training_images=64, parameters=1000)


def test_options_are_found_by_dotted_names() -> None:
    assert dotted({"data": {"augmentation": [], "limit": None}, "seed": 1}) == {
        "data.augmentation": [],
        "data.limit": None,
        "seed": 1,
    }


def test_rates_are_scaled_also_where_they_were_typed_as_whole_numbers() -> None:
    assert list(scaled(case(lr=2e-4), "lr", 0.5, "why")) == ["lr=0.0001"]
    assert scaled(case(lr=1), "lr", 0.1, "why") == {"lr=0.1": "why"}


def test_counts_stay_whole_and_above_0() -> None:
    def narrower(width: int) -> list[str]:
        return list(scaled(case(model={"width": width}), "model.width", 0.5, "why"))

    assert narrower(9) == ["model.width=4"]
    assert narrower(2) == ["model.width=1"]
    assert narrower(1) == []
    huge = case(trainer={"max_images": 123_456_789})
    assert list(longer(huge)) == ["trainer.max_images=246913578"]


def test_nothing_is_offered_for_what_is_not_there_or_is_no_number() -> None:
    for options in ({}, {"lr": None}, {"lr": "auto"}, {"lr": True}, {"lr": 0}):
        assert scaled(case(**options), "lr", 0.5, "why") == {}
    assert replaced(case(), "objective", "MinMax", "other", "why") == {}
    assert longer(case()) == {}
    assert more_data(case()) == {}


def test_more_data_are_offered_where_there_are_more() -> None:
    def offered(**data: Any) -> list[str]:
        return list(more_data(case(data=data)))

    both = ["augmentation=flip", "augmentation=wobble"]
    assert offered(limit=None, augmentation=[]) == both
    assert offered(limit=64, augmentation="[]") == ["data.limit=null", *both]
    assert offered(limit=None, augmentation=[{"_target_": "Wobble"}]) == []
