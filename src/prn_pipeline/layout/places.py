"""Folders and files of a project, below its root; the catalog and dvc.yaml name the same ones."""

from __future__ import annotations

from pathlib import Path

#: Data sets, one folder or link each; DVC looks for them here.
RAW_DATA = Path("data/01_raw")
#: Scores JSON of every run, in folders named after its data set, base model and refiner.
METRICS = Path("metrics")
#: Reports, and everything else that is written for people.
REPORTS = Path("data/08_reporting")
#: Output of the stages that `prn benchmark` and `prn retrain` start.
STAGE_LOGS = REPORTS / "benchmark"
LEADERBOARD = REPORTS / "leaderboard"
#: Machine-readable report of the last `prn retrain`.
RETRAIN_REPORT = REPORTS / "retrain.json"
#: Locked by `prn benchmark` and `prn retrain`. The operating system releases the lock when the process ends; the file
#: stays.
PROJECT_LOCK = REPORTS / "retrain.lock"
#: Locks that protect what has no folder of its own, below the project; a file is removed by the last holder.
LOCKS = Path("data/.locks")
#: In the folder of a scope's reports: time and memory of each stage.
STAGE_COSTS = "stage_costs.json"
#: In the folder of a scope's reports: the error of the stage that failed last; removed when that stage succeeds.
FAILURE = "failure.json"
#: In a data set's folder of reports: samples beside their masks.
SAMPLE_SHEET = "samples.png"
#: In a run's folder of reports.
PROMOTION, REPORT = "promotion.json", "report.html"
#: Lists of names whose combinations are the runs of a benchmark. DVC reads them under this name.
BENCHMARK_LISTS = Path("conf/base/benchmark.yml")
