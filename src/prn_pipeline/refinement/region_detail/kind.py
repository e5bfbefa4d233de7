"""`network: region_detail`: an ensemble of small networks with a guard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prn_pipeline.refinement.protocol import FittingPlan, LearningMaps
from prn_pipeline.refinement.region_detail.ensemble import FoldEnsemble
from prn_pipeline.refinement.region_detail.settings import RegionDetailSettings

if TYPE_CHECKING:
    from prn_pipeline.training.job import TrainingResult


class RegionDetail:
    """See `protocol.RefinerKind`."""

    name = "region_detail"
    settings = RegionDetailSettings

    def build(self, settings: RegionDetailSettings) -> FoldEnsemble:
        """The untrained ensemble."""
        return FoldEnsemble(settings)

    def fit(self, maps: LearningMaps, settings: RegionDetailSettings, plan: FittingPlan) -> TrainingResult:
        """See `fitting.fit_ensemble`."""
        from prn_pipeline.refinement.region_detail.fitting import fit_ensemble  # takes Lightning

        return fit_ensemble(maps, settings, plan)


REGION_DETAIL = RegionDetail()
