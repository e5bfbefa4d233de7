"""A stored base model is not used with other settings than those of the run."""

import pytest

from prn_pipeline.errors import UserError
from prn_pipeline.segmentation.registry import build_base_model, read_base_settings, require_current


def test_settings_that_have_changed_since_base_training_are_named() -> None:
    source = build_base_model(read_base_settings({"kind": "maps"}))
    require_current(source, {"kind": "maps"}, "external")
    with pytest.raises(
        UserError, match=r"'external' have changed .*foreground \(None, now 0\)\. Run stage base_training again"
    ):
        require_current(source, {"kind": "maps", "foreground": 0}, "external")
    with pytest.raises(UserError, match=r"check \(None, now warn\), scale \(None, now 255\.0\)"):
        require_current(source, {"kind": "maps", "scale": 255, "check": "warn"}, "external")
