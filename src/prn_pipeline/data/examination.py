"""Examines every sample once: all bad files are reported before anything is written."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.pixel_digest import pixel_digest
from prn_pipeline.data.readers.file_facts import ImageFacts, MaskFacts
from prn_pipeline.data.readers.masks import foreground_share
from prn_pipeline.data.readers.records import Reader, Record
from prn_pipeline.data.splits.near_crops import MOST_IMAGES
from prn_pipeline.data.splits.near_crops import SIDE as REDUCED
from prn_pipeline.data.splits.video_frames import SIDE as THUMBNAIL
from prn_pipeline.data.splits.video_frames import thumbnails
from prn_pipeline.errors import UserError
from prn_pipeline.processes.work_progress import counted

#: Bad files in one error message.
MAX_LISTED = 10


@dataclass(frozen=True)
class SampleFacts:
    """What the files of one sample hold.

    Attributes:
        sha256: of the decoded pixels of the image; see `ingestion.inspect`.
        mask_sha256: of the mask of 0, 1, 255.
        native_height: height of both in pixels.
        native_width: width of both in pixels.
        foreground: share of the pixels that are not ignored; NaN if there are none.
        thumbnail: see `video_frames.thumbnails`.
        reduced: (`near_crops.SIDE`, `near_crops.SIDE`), see there; None for more than `MOST_IMAGES` images.
        image: what the image file says about itself.
        mask: what the mask file says about itself.
    """

    sha256: str
    mask_sha256: str
    native_height: int
    native_width: int
    foreground: float
    thumbnail: NDArray[np.float32]
    reduced: NDArray[np.float16] | None
    image: ImageFacts
    mask: MaskFacts


def examine_all(name: str, records: list[Record], reader: Reader) -> list[SampleFacts]:
    """Read every sample once, in order.

    Raises:
        UserError: bad files, of which `MAX_LISTED` are listed.
    """
    with_reduced = len(records) <= MOST_IMAGES  # eight KiB each: of more images none is needed

    def attempt(record: Record) -> SampleFacts | UserError:
        try:
            return _examine(record, reader, with_reduced)
        except UserError as error:
            return error

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        outcomes = list(counted("images", pool.map(attempt, records), len(records)))
    problems = [outcome for outcome in outcomes if isinstance(outcome, UserError)]
    if problems:
        listed = "".join(f"\n- {problem}" for problem in problems[:MAX_LISTED])
        more = f"\n... and {len(problems) - MAX_LISTED} more" if len(problems) > MAX_LISTED else ""
        raise UserError(f"data set '{name}': {len(problems)} of {len(records)} samples cannot be used:{listed}{more}")
    return [outcome for outcome in outcomes if isinstance(outcome, SampleFacts)]


def _examine(record: Record, reader: Reader, with_reduced: bool) -> SampleFacts:
    image, mask, image_facts, mask_facts = reader.examine(record)
    height, width = image.shape[:2]
    if mask.shape != (height, width):
        raise UserError(
            f"{record.mask_path}: the mask is {mask.shape[0]} x {mask.shape[1]} pixels (height x width), its image "
            f"{record.image_path} is {height} x {width}. Export both at the same size; if they differ by a quarter "
            "turn, the mask was drawn without the image's EXIF orientation."
        )
    small, reduced = thumbnails(image, THUMBNAIL, REDUCED)
    return SampleFacts(
        pixel_digest(image),
        pixel_digest(mask),
        height,
        width,
        foreground_share(mask),
        small,
        reduced.reshape(REDUCED, REDUCED).astype(np.float16) if with_reduced else None,
        image_facts,
        mask_facts,
    )
