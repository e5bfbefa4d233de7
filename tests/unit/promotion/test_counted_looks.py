"""The registry counts the comparisons with each champion."""

import pytest
from mlflow.tracking import MlflowClient

from prn_pipeline.promotion.marks import LOOKS
from prn_pipeline.promotion.registry import Registry


@pytest.fixture
def registry(client: MlflowClient) -> Registry:
    """Model `roads` with five versions; version 1 is the champion."""
    client.create_registered_model("roads")
    for number in range(1, 6):
        client.create_model_version("roads", f"/somewhere/{number}")
    registry = Registry("roads")
    registry.promote(registry.version("1"), None)
    return registry


def look(registry: Registry, challenger: int, champion: int = 1, test: str = "test") -> int:
    return registry.look(registry.version(str(challenger)), registry.version(str(champion)), test)


def test_every_challenger_counts_once(registry: Registry) -> None:
    assert [look(registry, challenger) for challenger in (2, 3, 2, 4, 3, 2)] == [1, 2, 1, 3, 2, 1]


def test_the_same_challenger_on_other_test_images_is_another_comparison(registry: Registry) -> None:
    assert [look(registry, 2, test=test) for test in ("a", "b", "a", "b")] == [1, 2, 1, 2]


def test_every_champion_has_its_own_count_and_keeps_it(registry: Registry) -> None:
    assert [look(registry, 2), look(registry, 3)] == [1, 2]
    registry.promote(registry.version("3"), registry.version("1"))
    assert look(registry, 4, champion=3) == 1
    registry.roll_back()
    assert look(registry, 4) == 3, "the old champion goes on with its count"


def test_deleting_versions_does_not_lower_the_count(registry: Registry, client: MlflowClient) -> None:
    assert [look(registry, 2), look(registry, 3)] == [1, 2]
    client.delete_model_version("roads", "2")
    client.delete_model_version("roads", "3")
    assert look(registry, 4) == 3


def test_a_process_that_dies_while_it_counts_makes_later_comparisons_stricter(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag = registry.tag

    def dies(version: object, key: str, value: str) -> None:
        if key != LOOKS:
            raise KeyboardInterrupt
        tag(version, key, value)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(registry, "tag", dies)
        with pytest.raises(KeyboardInterrupt):
            look(registry, 2)
    assert [look(registry, 2), look(registry, 2), look(registry, 3)] == [2, 2, 3]
