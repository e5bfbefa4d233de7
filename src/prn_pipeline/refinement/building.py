"""A refiner from its settings."""

from prn_pipeline.refinement.patch_refine_net.refiner import Refiner
from prn_pipeline.refinement.patch_refine_net.settings import PatchRefineNetSettings
from prn_pipeline.refinement.region_detail.ensemble import FoldEnsemble
from prn_pipeline.refinement.settings import RefinerSettings


def build_refiner(settings: RefinerSettings) -> Refiner | FoldEnsemble:
    """The untrained refiner that the settings describe; both kinds take the maps that `arrays` names, in that order."""
    return Refiner(settings) if isinstance(settings, PatchRefineNetSettings) else FoldEnsemble(settings)
