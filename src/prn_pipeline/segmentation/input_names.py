"""Names of the arrays that are stored in addition to the logits where an image has several maps or passes."""

#: Mean logit over the maps of all models, then the logits of each but the first, the base model; see `map_inputs`.
SEVERAL_MAPS = "several_maps"
#: Mean and spread of the logits over the passes of TTA.
TTA = "tta"
#: Mean logit over the passes of TTA at several scales of the image. An attribute of the same name lists the others.
TTA_SCALES = "tta_scales"
