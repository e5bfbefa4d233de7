"""Aliases and tags by which a registry tells what a version of a model is."""

CHAMPION, CHALLENGER = "champion", "challenger"
#: Tags of a version: digest of its predictor, version that it replaced as champion, time of the rollback that ended
#: its time as champion, reason why it cannot be used.
DIGEST, REPLACED, TAKEN_BACK, BROKEN = "predictor_sha256", "replaced", "taken_back", "broken"
#: Tags: outcome and reason of the last decision on a version; number of comparisons with a version as champion.
DECISION, LOOKS = "decision", "looks"
#: Tag: the run that made a version.
MADE_BY = "made_by"
