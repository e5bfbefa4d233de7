"""One self-contained HTML report a run: what was gained, over whom, how surely, and where it went wrong."""

from prn_pipeline.reporting.inputs import GalleryRow, Report, ReportInputs
from prn_pipeline.reporting.report import render_report

__all__ = ["GalleryRow", "Report", "ReportInputs", "render_report"]
