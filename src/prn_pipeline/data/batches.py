"""Samples in batches of one size, to be stored; memory does not grow with the data set."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from prn_pipeline.data.canvas import ImageSize, canvas_of
from prn_pipeline.data.image_resizing import image_placed, mask_placed
from prn_pipeline.data.readers.records import Reader, Record
from prn_pipeline.data.sample_format import Pixels
from prn_pipeline.errors import UserError

Sample = tuple[Pixels, NDArray[np.uint8]]
#: Missing samples in one error message.
MAX_LISTED = 5


def read_batches(reader: Reader, manifest: pd.DataFrame, image_size: ImageSize, batch_size: int) -> Iterator[Sample]:
    """Images and masks in the order of the manifest; the last batch may be shorter.

    The next batch is decoded while the caller uses one; at most two are in memory.

    Args:
        reader: as returned by `make_reader`.
        manifest: as returned by `inspect`, or rows of it.
        image_size: as in the settings of the data set; it gives the height H and width W of samples.
        batch_size: samples B per batch.

    Yields:
        images uint8 (B, H, W, 3), or uint16 (B, H, W, bands), and masks uint8 (B, H, W) of 0, 1 and 255.

    Raises:
        UserError: a sample of the manifest is missing, or can no longer be read.
    """
    records = {record.sample_id: record for record in reader.records()}
    missing = [sample_id for sample_id in manifest["sample_id"] if sample_id not in records]
    if missing:
        raise UserError(
            f"{len(missing)} samples of the manifest have no files any more: {', '.join(missing[:MAX_LISTED])}. "
            "Restore the files, or run the ingestion again."
        )
    wanted = [records[sample_id] for sample_id in manifest["sample_id"]]

    canvas = canvas_of(image_size)

    def load(record: Record) -> Sample:
        return image_placed(reader.image(record), canvas), mask_placed(reader.mask(record), canvas)

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        starts = range(0, len(wanted), batch_size)
        upcoming = [pool.submit(load, record) for record in wanted[:batch_size]]
        for start in starts:
            current = [future.result() for future in upcoming]
            following = wanted[start + batch_size : start + 2 * batch_size]
            upcoming = [pool.submit(load, record) for record in following]
            yield np.stack([image for image, _ in current]), np.stack([mask for _, mask in current])
