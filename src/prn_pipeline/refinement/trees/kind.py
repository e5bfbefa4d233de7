"""`network: trees`: boosted trees with a guard."""

from __future__ import annotations

from prn_pipeline.refinement.trees.ensemble import TreeEnsemble
from prn_pipeline.refinement.trees.settings import TreesSettings


class Trees:
    """See `protocol.RefinerKind`."""

    name = "trees"
    settings = TreesSettings
    fitting = "prn_pipeline.refinement.trees.fitting:fit_trees"

    def build(self, settings: TreesSettings) -> TreeEnsemble:
        """The untrained ensemble, which changes nothing."""
        return TreeEnsemble(settings)


TREES = Trees()
