"""Which unlabelled images to label next."""
