"""`network: patch_refine_net`: the paper's network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prn_pipeline.refinement.patch_refine_net.refiner import PaperRefiner
from prn_pipeline.refinement.patch_refine_net.settings import PatchRefineNetSettings
from prn_pipeline.refinement.protocol import FittingPlan, LearningMaps

if TYPE_CHECKING:
    from prn_pipeline.training.job import TrainingResult


class PatchRefineNetKind:
    """See `protocol.RefinerKind`."""

    name = "patch_refine_net"
    settings = PatchRefineNetSettings

    def build(self, settings: PatchRefineNetSettings) -> PaperRefiner:
        """The untrained network."""
        return PaperRefiner(settings)

    def fit(self, maps: LearningMaps, settings: PatchRefineNetSettings, plan: FittingPlan) -> TrainingResult:
        """See `fitting.fit_network`."""
        from prn_pipeline.refinement.patch_refine_net.fitting import fit_network  # takes Lightning

        return fit_network(maps, settings, plan)


PATCH_REFINE_NET = PatchRefineNetKind()
