"""The formats of annotations, by the name that `annotations.format` gives.

A new format is a file in this folder that ends in a `Format`, and a line in `FORMATS`; its name goes into
`annotation_settings.AnnotationFormat`, so that a misspelt one is refused before anything runs.
"""

from __future__ import annotations

from prn_pipeline.data.annotation_settings import AnnotationFormat
from prn_pipeline.data.readers.annotations.annotated import Format
from prn_pipeline.data.readers.annotations.coco import COCO
from prn_pipeline.data.readers.annotations.cvat import CVAT
from prn_pipeline.data.readers.annotations.labelme import LABELME
from prn_pipeline.data.readers.annotations.run_length_table import RUN_LENGTHS
from prn_pipeline.data.readers.annotations.via import VIA
from prn_pipeline.data.readers.annotations.via_table import VIA_TABLE
from prn_pipeline.data.readers.annotations.yolo import YOLO

#: In the order in which `prn init` tries them.
FORMATS: dict[AnnotationFormat, Format] = {
    "labelme": LABELME,
    "coco": COCO,
    "yolo": YOLO,
    "cvat": CVAT,
    "via": VIA,
    "via_csv": VIA_TABLE,
    "run_lengths": RUN_LENGTHS,
}
