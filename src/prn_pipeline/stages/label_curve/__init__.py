"""The gain of refiners at growing numbers of labelled images, measured on images that were not drawn."""
