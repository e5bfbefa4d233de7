"""The steps of the method on stored samples: one file per step, with the name of the pipeline that runs it."""
