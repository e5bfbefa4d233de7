"""Samples in batches of one size, to be stored; memory does not grow with the data set."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from prn_pipeline.data.readers.records import Reader, Record
from prn_pipeline.data.sample_format import Pixels
from prn_pipeline.errors import UserError

Sample = tuple[Pixels, NDArray[np.uint8]]
#: Missing samples in one error message.
MAX_LISTED = 5


def read_batches(reader: Reader, manifest: pd.DataFrame, image_size: int, batch_size: int) -> Iterator[Sample]:
    """Images and masks in the order of the manifest; the last batch may be shorter.

    The next batch is decoded while the caller uses one; at most two are in memory.

    Args:
        reader: as returned by `make_reader`.
        manifest: as returned by `inspect`, or rows of it.
        image_size: height and width S that every sample is stretched to.
        batch_size: samples B per batch.

    Yields:
        images uint8 (B, S, S, 3), or uint16 (B, S, S, bands), and masks uint8 (B, S, S) of 0, 1 and 255.

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

    def load(record: Record) -> Sample:
        return image_stretched(reader.image(record), image_size), mask_stretched(reader.mask(record), image_size)

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        starts = range(0, len(wanted), batch_size)
        upcoming = [pool.submit(load, record) for record in wanted[:batch_size]]
        for start in starts:
            current = [future.result() for future in upcoming]
            following = wanted[start + batch_size : start + 2 * batch_size]
            upcoming = [pool.submit(load, record) for record in following]
            yield np.stack([image for image, _ in current]), np.stack([mask for _, mask in current])


def image_stretched(image: Pixels, size: int) -> Pixels:
    """An image (H,W,bands) stretched to (size,size,bands): bilinear, with antialiasing where it shrinks."""
    if image.dtype == np.uint16:
        import torch  # few data sets have such images, and the others need no PyTorch
        from torch.nn import functional as F

        bands = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None]
        stretched = F.interpolate(bands, (size, size), mode="bilinear", antialias=True)[0]
        return stretched.permute(1, 2, 0).round().clamp(0, 65535).numpy().astype(np.uint16)
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))


def mask_stretched(mask: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """A mask (H,W) stretched to (size,size): the nearest pixel."""
    return np.asarray(Image.fromarray(mask).resize((size, size), Image.Resampling.NEAREST))
