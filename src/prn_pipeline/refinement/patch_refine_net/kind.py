"""`network: patch_refine_net`: the paper's network."""

from __future__ import annotations

from prn_pipeline.refinement.patch_refine_net.refiner import PaperRefiner
from prn_pipeline.refinement.patch_refine_net.settings import PatchRefineNetSettings


class PatchRefineNetKind:
    """See `protocol.RefinerKind`."""

    name = "patch_refine_net"
    settings = PatchRefineNetSettings
    fitting = "prn_pipeline.refinement.patch_refine_net.fitting:fit_network"

    def build(self, settings: PatchRefineNetSettings) -> PaperRefiner:
        """The untrained network."""
        return PaperRefiner(settings)


PATCH_REFINE_NET = PatchRefineNetKind()
