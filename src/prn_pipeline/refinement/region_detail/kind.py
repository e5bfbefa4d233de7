"""`network: region_detail`: an ensemble of small networks with a guard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prn_pipeline.refinement.region_detail.settings import RegionDetailSettings

if TYPE_CHECKING:
    from prn_pipeline.refinement.region_detail.ensemble import FoldEnsemble


class RegionDetail:
    """See `protocol.RefinerKind`."""

    name = "region_detail"
    settings = RegionDetailSettings
    fitting = "prn_pipeline.refinement.region_detail.fitting:fit_ensemble"

    def build(self, settings: RegionDetailSettings) -> FoldEnsemble:
        """The untrained ensemble."""
        from prn_pipeline.refinement.region_detail.ensemble import FoldEnsemble

        return FoldEnsemble(settings)


REGION_DETAIL = RegionDetail()
