"""Who does the work of a stage: this process, or Dask's workers."""
