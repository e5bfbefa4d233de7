"""Format of samples: pixel values of images, and labels of masks."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

#: An image: uint8 (H, W, 3), or uint16 (H, W, bands) of 0 .. 65535.
Pixels: TypeAlias = NDArray[np.uint8 | np.uint16]

#: Mask value of ignored pixels, which no loss and no score includes. Other values are 0 (background) and 1
#: (foreground), or class ids.
IGNORE: Final = 255
