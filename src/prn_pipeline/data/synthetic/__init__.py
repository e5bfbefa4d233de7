"""The embedded data set: drawn scenes of roads."""
