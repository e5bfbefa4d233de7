"""Where artefacts lie and what they are named by: the same words for the catalog, DVC, reports and plans."""
