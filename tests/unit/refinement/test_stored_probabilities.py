"""The sigmoid lookup table against SciPy's sigmoid."""

import numpy as np
from scipy.special import expit

from prn_pipeline.data.store.logits import probabilities_of


def test_every_float16_logit_gives_the_bits_of_the_sigmoid() -> None:
    logits = np.arange(2**16, dtype=np.uint16).view(np.float16)
    np.testing.assert_array_equal(probabilities_of(logits), expit(logits.astype(np.float32)))
    assert probabilities_of(logits).dtype == np.float32


def test_arrays_of_any_shape_and_stride_are_supported() -> None:
    logits = np.linspace(-9, 9, 120, dtype=np.float16).reshape(4, 5, 6)
    np.testing.assert_array_equal(probabilities_of(logits[:, ::2]), expit(logits[:, ::2].astype(np.float32)))
