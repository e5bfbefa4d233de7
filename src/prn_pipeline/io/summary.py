"""The summary of a data set in the catalog."""

from typing import Any

from prn_pipeline.data.summary_file import read_summary
from prn_pipeline.io.files import JsonDataset


class SummaryDataset(JsonDataset):
    """The summary of a data set; read with its schema."""

    def load(self) -> dict[str, Any]:
        """Read the summary."""
        return read_summary(self._existing())
