"""The summary of a data set in the catalog."""

from typing import Any

from prn_pipeline.data.summary_file import read_summary
from prn_pipeline.io.files import JsonDataset
from prn_pipeline.layout.addresses import check_address
from prn_pipeline.layout.places import REPORTS


class SummaryDataset(JsonDataset):
    """The summary of a data set; read with its schema, and only at the place of its data set."""

    def load(self) -> dict[str, Any]:
        """Read the summary."""
        summary = read_summary(self._existing())
        check_address(self._filepath, f"{REPORTS.name}/{summary['dataset']}/{self._filepath.name}")
        return summary
