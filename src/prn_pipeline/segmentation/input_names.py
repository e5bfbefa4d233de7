"""Names of the arrays that are stored in addition to the logits where an image has several maps; see `map_inputs`."""

#: Mean logit over the maps of all models, then the logits of each model but the first, which is the base model.
SEVERAL_MAPS = "several_maps"
#: Mean and spread of the logits over the passes of TTA.
TTA = "tta"
