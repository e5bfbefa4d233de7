"""Tables of other tasks agree with the scores."""

from typing import Any

from benchmarks.tasks_page import NOT_YET, classes_section, few_shot_section, saliency_section

RUN = {"dataset": "d", "base_model": "m", "refiner": "prn", "seed": 0, "n_test": 9}
GAIN = {"gain": 0.02, "ci95": [0.01, 0.03]}


def run(base: dict[str, Any], refined: dict[str, Any]) -> dict[str, Any]:
    return {**RUN, "methods": {"base": base, "refined": refined}}


def test_nothing_measured_is_said() -> None:
    assert saliency_section([]) == classes_section([]) == few_shot_section([]) == NOT_YET
    assert saliency_section([run({"iou_micro": 0.5}, {"iou_micro": 0.5})]) == NOT_YET


def test_saliency_has_base_model_best_free_method_and_each_refiner_with_its_gains() -> None:
    numbers = dict.fromkeys(("mae", "f_max", "f_weighted", "s_measure", "e_max"), 0.5)
    gains = dict.fromkeys(("f_max", "f_weighted", "s_measure", "e_max"), GAIN)
    one = run(numbers, numbers | {"saliency_vs_base": gains})
    one["methods"]["rankseg"] = numbers | {"mae": 0.4}
    one["gain"] = {"vs_best_free": {"method": "rankseg"}}
    head, _, base, free, prn, trees = saliency_section([one, one | {"refiner": "trees"}]).splitlines()
    assert head.count("|") == base.count("|") == free.count("|") == prn.count("|")
    assert base.startswith("| `d` | `m` | base | 0.500 | 0.500 |")
    assert free.startswith("|  |  | RankSEG | 0.400 | 0.500 |")
    assert (prn.split(" | ")[2], trees.split(" | ")[2]) == ("**prn**", "**trees**")
    assert prn.count("0.500, +2.0 [+1.0, +3.0]") == 4
    alone = saliency_section([one | {"gain": {"vs_best_free": {"method": "base"}}}]).splitlines()
    assert alone[2].startswith("| `d` | `m` | base |")
    assert alone[3].startswith("|  |  | **prn** |")


def test_classes_stand_with_their_gains() -> None:
    def method(iou: float, gain: float) -> dict[str, Any]:
        vs_base = {"iou_micro": gain, "ci95": [gain, gain]}
        one = {"iou_micro": iou, "iou_macro": iou, "pixel_accuracy": 0.9, "vs_base": vs_base}
        return one | {"classes": {"sky": {"iou": iou, "vs_base": vs_base}}}

    text = classes_section([run(method(0.5, 0.0), method(0.6, 0.1))])
    assert "| sky | 0.500 | 0.600 | +10.0 [+10.0, +10.0] |" in text
    assert "| **prn** | 0.600 | 0.600 | 0.900 | +10.0 [+10.0, +10.0] |" in text


def test_categories_of_all_folds_count_alike() -> None:
    folds = [
        run({"categories": {"cat": 0.2, "dog": 0.4}}, {"categories": {"cat": 0.3, "dog": 0.5}}),
        run({"categories": {"owl": 0.9}}, {"categories": {"owl": 1.0}}),
    ]
    head, _, row = few_shot_section(folds).splitlines()
    assert head == "| base model | folds | categories | episodes | base | **prn** | gain |", "what was measured"
    assert row == "| `m` | 2 of 4 | 3 | 18 | 0.500 | 0.600 | +10.0 [+10.0, +10.0] |"
