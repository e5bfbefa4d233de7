"""Engines: where the work of a stage is done, in this process or by Dask workers."""
