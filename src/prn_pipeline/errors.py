"""The one exception for what a user can correct: bad data, bad settings, missing artefacts."""


class UserError(Exception):
    """Says what was found, where, what was expected, and the remedy.

    Everything else that is raised in this package is a defect of the package.
    """
