"""Samples in batches of one size, ready to be stored; memory does not grow with the data set."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional as F

from prn_pipeline.data.readers.records import Reader, Record
from prn_pipeline.data.sample_format import Pixels
from prn_pipeline.errors import UserError

Sample = tuple[Pixels, NDArray[np.uint8]]


def read_batches(reader: Reader, manifest: pd.DataFrame, image_size: int, batch_size: int) -> Iterator[Sample]:
    """Images and masks in the order of the manifest, the last batch shorter.

    While a batch is used the next one is decoded; never more than two are in memory.

    Args:
        reader: what `make_reader` gave.
        manifest: what `inspect` gave, or rows of it.
        image_size: height and width S that every sample is stretched to.
        batch_size: samples B a batch.

    Yields:
        images uint8 (B, S, S, 3), or uint16 (B, S, S, bands), and masks uint8 (B, S, S) of 0, 1 and 255.

    Raises:
        UserError: a sample of the manifest has gone, or can no longer be read.
    """
    records = {record.sample_id: record for record in reader.records()}
    gone = [sample_id for sample_id in manifest["sample_id"] if sample_id not in records]
    if gone:
        raise UserError(
            f"{len(gone)} samples of the manifest are no longer there: {', '.join(gone[:5])}. Restore their files, or "
            "run the ingestion again."
        )
    wanted = [records[sample_id] for sample_id in manifest["sample_id"]]

    def load(record: Record) -> Sample:
        return image_stretched(reader.image(record), image_size), _mask_stretched(reader.mask(record), image_size)

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        starts = range(0, len(wanted), batch_size)
        coming = [pool.submit(load, record) for record in wanted[:batch_size]]
        for start in starts:
            current = [future.result() for future in coming]
            following = wanted[start + batch_size : start + 2 * batch_size]
            coming = [pool.submit(load, record) for record in following]
            yield np.stack([image for image, _ in current]), np.stack([mask for _, mask in current])


def image_stretched(image: Pixels, size: int) -> Pixels:
    """An image as a square of the same kind: bilinear, with antialiasing where it shrinks."""
    if image.dtype == np.uint16:
        bands = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None]
        stretched = F.interpolate(bands, (size, size), mode="bilinear", antialias=True)[0]
        return stretched.permute(1, 2, 0).round().clamp(0, 65535).numpy().astype(np.uint16)
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))


def _mask_stretched(mask: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(mask).resize((size, size), Image.Resampling.NEAREST))
