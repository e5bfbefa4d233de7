"""`network: trees`: boosted trees with a guard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prn_pipeline.refinement.trees.settings import TreesSettings

if TYPE_CHECKING:
    from prn_pipeline.refinement.trees.ensemble import TreeEnsemble


class Trees:
    """See `protocol.RefinerKind`."""

    name = "trees"
    settings = TreesSettings
    fitting = "prn_pipeline.refinement.trees.fitting:fit_trees"

    def build(self, settings: TreesSettings) -> TreeEnsemble:
        """The untrained ensemble, which changes nothing."""
        from prn_pipeline.refinement.trees.ensemble import TreeEnsemble

        return TreeEnsemble(settings)


TREES = Trees()
