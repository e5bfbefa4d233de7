"""Figures of the pages: `python -m docs.figures` draws those in docs/images, the build draws the flow chart."""
