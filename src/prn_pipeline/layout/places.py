"""Folders and files of a project, below its root; the catalog and dvc.yaml name the same ones."""

from __future__ import annotations

from pathlib import Path

#: Data sets, one folder or link each: where DVC looks for them.
RAW_DATA = Path("data/01_raw")
#: Scores JSON of every run, in folders of its names.
METRICS = Path("metrics")
#: Reports, and everything else that people read.
REPORTS = Path("data/08_reporting")
#: Output of the stages that `prn benchmark` and `prn retrain` start.
STAGE_LOGS = REPORTS / "benchmark"
LEADERBOARD = REPORTS / "leaderboard"
#: What the last `prn retrain` did, for programs.
RETRAIN_REPORT = REPORTS / "retrain.json"
#: Held by `prn benchmark` and `prn retrain`. The operating system frees it with the process; the file itself stays.
PROJECT_LOCK = REPORTS / "retrain.lock"
#: In the folder of a scope's reports: what each stage took.
STAGE_COSTS = "stage_costs.json"
#: In the folder of a scope's reports: what went wrong when one of its stages last failed; removed when it succeeds.
FAILURE = "failure.json"
#: In a run's folder of reports.
PROMOTION, REPORT = "promotion.json", "report.html"
#: Lists of names whose combinations are the runs of a benchmark. DVC reads them under this name.
BENCHMARK_LISTS = Path("conf/base/benchmark.yml")
