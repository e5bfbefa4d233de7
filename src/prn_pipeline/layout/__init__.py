"""Where artefacts lie and which names they have: shared by the catalog, DVC, reports and plans."""
