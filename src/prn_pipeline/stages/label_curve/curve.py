"""All draws of all refiners: what is missing is measured, then the curves are summarised."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

from prn_pipeline.data.store.map_manifest import learning_rows
from prn_pipeline.errors import UserError, counted
from prn_pipeline.refinement.base_network.settings import BaseNetworkSettings
from prn_pipeline.refinement.protocol import FittingPlan, LearningMaps, RefinerSettings
from prn_pipeline.stages.label_curve.draws import LabelDraw, LabelDraws, label_draws
from prn_pipeline.stages.label_curve.gains import Point, point_of, resamples
from prn_pipeline.stages.label_curve.measuring import SECONDS, UNCHANGED, free_counts, refined_counts
from prn_pipeline.stages.label_curve.points import PointStore, digest
from prn_pipeline.stages.label_curve.summary import summarise

#: Of the files of a curve.
SCHEMA = 1
#: Name of the files with the counts of methods that need no training.
FREE = "free"


class CurveRefiner(NamedTuple):
    """A refiner of the curve: its settings, and how it is fitted; the plan's seed is that of the first draw."""

    settings: RefinerSettings
    plan: FittingPlan


@dataclass(frozen=True)
class CurvePlan:
    """What to measure.

    Attributes:
        sizes: numbers of labelled images.
        draws: draws of images per size.
        seed: of the draws, of the fits and of the bootstrap.
        patch_size: see `tune`.
        batch_size: maps per forward pass.
        resamples: of the bootstrap.
    """

    sizes: Sequence[int]
    draws: int
    seed: int
    patch_size: int
    batch_size: int
    resamples: int


class Step(NamedTuple):
    """One fit of a curve that is done: refiner, draw, seconds of the fit, and whether an earlier call made it."""

    refiner: str
    draw: LabelDraw
    seconds: float
    before: bool


def label_curve(
    maps: LearningMaps,
    refiners: Mapping[str, CurveRefiner],
    plan: CurvePlan,
    store: PointStore,
    listener: Callable[[Step, int], None] = lambda step, steps: None,
) -> dict[str, Any]:
    """Measure every refiner at every size and draw; what `store` has already is not measured again.

    Args:
        maps: all maps; test maps among them are neither learned from nor measured on.
        refiners: by name.
        plan: what to measure.
        store: where finished draws are kept.
        listener: called after every fit, with the number of all fits.

    Returns:
        schema, maps, labelled_images, groups, draws, left_out (size -> why), and refiners: name -> `summarise`, with
        `fits`, `unchanged` (those whose guard applied no correction) and `left_out` of its own.

    Raises:
        UserError: too few labelled images for every size, or a refiner that has to learn from other images too.
    """
    for name, refiner in refiners.items():
        _check_learns_alone(name, refiner.settings)
    samples, rows = maps.samples, learning_rows(maps.map_manifest)
    drawn = label_draws(samples.manifest, rows, plan.sizes, plan.draws, plan.seed)
    possible = {name: _possible(refiner.settings, drawn) for name, refiner in refiners.items()}
    if none := [name for name, draws in possible.items() if not draws.draws]:
        reasons = "; ".join(f"{size}: {reason}" for size, reason in possible[none[0]].left_out.items())
        raise UserError(f"refiner {none[0]!r} can be measured at no size ({reasons}): give larger `--sizes`")
    steps = sum(len(draws.draws) for draws in possible.values())
    learning = samples.manifest.iloc[rows]
    groups = list(learning["group"].drop_duplicates())
    draws_of_each = 1 + max(draw.number for draw in drawn.draws)
    by = resamples(groups, draws_of_each, plan.resamples, plan.seed)
    labelled = learning["sample_id"].nunique()
    found: dict[str, Any] = {}
    for name, draws in possible.items():
        points, unchanged = [], 0
        for step, point, kept in _measure(name, refiners[name], draws, maps, plan, store):
            points.append(point)
            unchanged += kept
            listener(step, steps)
        found[name] = summarise(points, by, labelled) | {
            "fits": len(points),
            "unchanged": unchanged,
            "left_out": _by_text(draws.left_out),
        }
    return {
        "schema": SCHEMA,
        "maps": store.maps,
        "labelled_images": int(labelled),
        "groups": len(groups),
        "draws": draws_of_each,
        "left_out": _by_text(drawn.left_out),
        "refiners": found,
    }


def _measure(
    name: str, refiner: CurveRefiner, draws: LabelDraws, maps: LearningMaps, plan: CurvePlan, store: PointStore
) -> Iterator[tuple[Step, Point, bool]]:
    """Every draw of one refiner, and whether its guard applied no correction."""
    for draw in draws.draws:
        free_file = store.name(FREE, draw, {"patch_size": plan.patch_size})
        free, _ = store.get(free_file, partial(free_counts, maps.samples, maps.map_manifest, draw, plan.patch_size))
        seed = plan.seed + draw.number
        file = store.name(name, draw, _defining(refiner, seed))
        checkpoints = refiner.plan.checkpoints / file
        own = replace(refiner.plan, seed=seed, checkpoints=checkpoints)
        refined, before = store.get(file, partial(refined_counts, maps, draw, refiner.settings, own, plan.batch_size))
        with suppress(OSError):  # the fit has removed what was in it
            checkpoints.rmdir()
            checkpoints.parent.rmdir()
        step = Step(name, draw, float(refined.attrs[SECONDS]), before)
        yield step, point_of(draw, free, refined, step.seconds), bool(refined.attrs[UNCHANGED])


def _defining(refiner: CurveRefiner, seed: int) -> dict[str, Any]:
    """Everything but the maps and the draw that a fit depends on."""
    base = refiner.plan.base
    of_base = None
    if base is not None and isinstance(refiner.settings, BaseNetworkSettings):
        of_base = [base.model.settings.model_dump(mode="json"), base.settings.model_dump(mode="json"), base.epochs]
    settings, training = refiner.settings.model_dump(mode="json"), refiner.plan.training.model_dump(mode="json")
    return {"seed": seed, "settings": settings, "training": training, "base": digest(of_base)}


def _possible(settings: RefinerSettings, drawn: LabelDraws) -> LabelDraws:
    """The draws that have enough groups for a refiner in every draw of their size."""
    fewest: dict[int, int] = {}
    for draw in drawn.draws:
        fewest[draw.size] = min(draw.groups, fewest.get(draw.size, draw.groups))
    needed = settings.fewest_groups
    short = {
        size: f"has {counted(count, 'group')}, this refiner needs {needed}"
        for size, count in fewest.items()
        if count < needed
    }
    return LabelDraws([draw for draw in drawn.draws if draw.size not in short], short)


def _check_learns_alone(name: str, settings: RefinerSettings) -> None:
    if isinstance(settings, BaseNetworkSettings) and settings.start == "initial":
        raise UserError(
            f"refiner {name!r} trains the base model again on all images that it was trained on, so its gain does not"
            " depend on the drawn images alone: use a refiner with start: trained, such as fine_tune"
        )


def _by_text(left_out: Mapping[int, str]) -> dict[str, str]:
    return {str(size): reason for size, reason in left_out.items()}
