"""PatchRefineNet as a product: refine any binary segmentation model by optimal patch-wise binarization."""
