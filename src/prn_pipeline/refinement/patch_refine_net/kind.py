"""`network: patch_refine_net`: the paper's network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prn_pipeline.refinement.patch_refine_net.settings import PatchRefineNetSettings

if TYPE_CHECKING:
    from prn_pipeline.refinement.patch_refine_net.refiner import PaperRefiner


class PatchRefineNetKind:
    """See `protocol.RefinerKind`."""

    name = "patch_refine_net"
    settings = PatchRefineNetSettings
    fitting = "prn_pipeline.refinement.patch_refine_net.fitting:fit_network"

    def build(self, settings: PatchRefineNetSettings) -> PaperRefiner:
        """The untrained network."""
        from prn_pipeline.refinement.patch_refine_net.refiner import PaperRefiner

        return PaperRefiner(settings)


PATCH_REFINE_NET = PatchRefineNetKind()
