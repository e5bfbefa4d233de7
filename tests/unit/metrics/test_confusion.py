"""The confusion matrix against scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from prn_pipeline.metrics.confusion import confusion


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_the_matrix_equals_scikit_learns_over_the_labelled_pixels(classes: int) -> None:
    rng = np.random.default_rng(classes)
    truth, predicted = rng.integers(0, classes, (2, 3, 7, 9))
    labelled = rng.random(truth.shape) < 0.8
    one_hot = np.arange(classes)[:, None, None] == truth[:, None]
    found = confusion(one_hot & labelled[:, None], np.arange(classes)[:, None, None] == predicted[:, None])
    np.testing.assert_array_equal(found, confusion_matrix(truth[labelled], predicted[labelled]))


def test_classes_that_occur_nowhere_have_a_row_and_a_column() -> None:
    """The last class is neither true nor predicted, and the matrix keeps its shape."""
    only_first = np.zeros((1, 3, 2, 2), bool)
    only_first[:, 0] = True
    assert confusion(only_first, only_first).tolist() == [[4, 0, 0], [0, 0, 0], [0, 0, 0]]
