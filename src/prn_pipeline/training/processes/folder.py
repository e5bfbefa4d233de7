"""The folder through which a run, the launchers and the training processes exchange files."""

#: Written by the run that wants the training.
JOB = "job.pkl"
LAUNCH = "launch.json"
PARENT = "parent.json"
#: Written by the training process of rank 0.
EPOCHS = "epochs.jsonl"
WEIGHTS = "weights.safetensors"
HISTORY = "history.csv"
#: Output of this node's launcher and training processes.
LOG = "processes.log"
#: Written by the launcher of a node whose training processes failed: how each of them ended.
FAILURES = "failures-{launcher}.json"
#: Written by torch for each training process that raised: its exception.
ERROR_FILES = "**/error.json"
