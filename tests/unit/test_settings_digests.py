"""Runs know each other by their settings, whatever their seed."""

from typing import Any

from prn_pipeline.tracking.provenance import settings_digests


def run(**changed: Any) -> dict[str, Any]:
    parts = ("dataset", "base_model", "base_training", "refiner", "prn_training")
    return {"names": {"seed": 0}, **{part: {"a": 1, "b": [2, 3]} for part in parts}} | changed


def test_seeds_and_the_order_of_keys_do_not_count() -> None:
    usual = settings_digests(run(), 16, "model")
    assert settings_digests(run(names={"seed": 1}, dataset={"b": [2, 3], "a": 1}), 16, "model") == usual


def test_a_part_changes_with_what_it_is_made_of_and_with_nothing_else() -> None:
    usual = settings_digests(run(), 16, "model")
    for part in ("dataset", "base_model", "base_training"):
        changed = settings_digests(run(**{part: {"a": 2}}), 16, "model")
        assert changed["base_model"] != usual["base_model"]
        assert changed["refiner"] == usual["refiner"]
    for part in ("refiner", "prn_training"):
        changed = settings_digests(run(**{part: {"a": 2}}), 16, "model")
        assert changed["base_model"] == usual["base_model"]
        assert changed["refiner"] != usual["refiner"]
    for measured in ((8, "model"), (16, "native")):
        assert settings_digests(run(), *measured)["base_model"] != usual["base_model"]
