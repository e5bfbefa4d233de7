"""Files of annotations in place of mask pictures: one module per format, and what draws masks of them."""
