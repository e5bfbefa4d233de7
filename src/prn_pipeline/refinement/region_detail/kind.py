"""`network: region_detail`: an ensemble of small networks with a guard."""

from __future__ import annotations

from prn_pipeline.refinement.region_detail.ensemble import FoldEnsemble
from prn_pipeline.refinement.region_detail.settings import RegionDetailSettings


class RegionDetail:
    """See `protocol.RefinerKind`."""

    name = "region_detail"
    settings = RegionDetailSettings
    fitting = "prn_pipeline.refinement.region_detail.fitting:fit_ensemble"

    def build(self, settings: RegionDetailSettings) -> FoldEnsemble:
        """The untrained ensemble."""
        return FoldEnsemble(settings)


REGION_DETAIL = RegionDetail()
