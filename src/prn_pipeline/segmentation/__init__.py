"""Base models: every source of maps with one foreground logit per pixel, or one logit per class."""
