"""What all tests share: data that is not part of the repository, and no tracking server of another test."""

import itertools
import os
import pickle
import random
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings

#: For mutation testing: the same examples each time, and a failing one is not made smaller.
settings.register_profile(
    "mutants",
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)

PROJECT = Path(__file__).resolve().parents[1]
NEEDED_BY_DASK_TASKS = (
    "prn_pipeline.segmentation.network_source",
    "prn_pipeline.segmentation.registry",
    "prn_pipeline.refinement.registry",
    "prn_pipeline.stages.evaluation.measuring",
    "prn_pipeline.stages.evaluation.tuning",
    "prn_pipeline.stages.pseudo_labelling",
    "segmentation_models_pytorch",
    "tests.unit.stages.test_dask_workers",
)


#: Taken from the environment, so that a folder of the user's own data changes no other test.
DATA_ROOT = os.environ.pop("PRN_DATA_ROOT", "")
DATASETS = ("camvid", "crackforest", "drive", "dsb2018_nuclei", "epfl_roads", "kvasir_seg")


def outside(variable: str, beside: str) -> Path:
    """A folder of data that is not part of the repository; skips the test where it is missing."""
    root = Path(os.environ.get(variable) or PROJECT.parent / "shared" / beside)
    if not root.is_dir():
        pytest.skip(f"no folder {root}: set {variable} to run this test")
    return root


@pytest.fixture(scope="module", autouse=True)
def no_tracking_uri_of_another_file() -> None:
    """`mlflow.set_tracking_uri` also exports its URI, and commands that later tests start would inherit it."""
    os.environ.pop("MLFLOW_TRACKING_URI", None)


@pytest.fixture(scope="session", autouse=True)
def configuration_parsed_once() -> Iterator[None]:
    """Each text of YAML is parsed once per process, which is half of the time that reading the configuration takes."""
    from omegaconf import OmegaConf

    parse = OmegaConf.load
    parsed: dict[str, bytes] = {}

    def load(file: Any) -> Any:
        if isinstance(file, str | os.PathLike):
            return parse(file)
        text = file.read()
        if text not in parsed:
            file.seek(0)
            parsed[text] = pickle.dumps(parse(file))
        return pickle.loads(parsed[text])  # noqa: S301 - its own; faster than a deep copy

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OmegaConf, "load", load)
        yield


@pytest.fixture(scope="session", autouse=True)
def no_search_for_settings() -> Iterator[None]:
    """Dynaconf, which reads Kedro's settings, finds the two modules that it looks for besides.

    Where it finds none, it looks for the source of every caller, those of pytest too, among all imported modules: 0.7
    of the 0.9 seconds that it takes here. In a command it is a hundredth of a second.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in ("prn_pipeline.main_settings", "prn_pipeline.global_main_settings"):
            empty = ModuleType(name)
            empty.__file__ = f"{name}.py"
            patch.setitem(sys.modules, name, empty)
        yield


@pytest.fixture(autouse=True)
def same_random_numbers_in_every_run() -> None:
    """Global generators start alike in every test, whichever tests ran before it.

    The seed is none that tests give to generators of their own, whose draws would then be the same.
    """
    random.seed(7919)
    np.random.seed(7919)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(7919)


@pytest.fixture(scope="session")
def empty_tracking_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database of MLflow; creating one takes a second, copying it nothing."""
    from mlflow.tracking import MlflowClient

    file = tmp_path_factory.mktemp("tracking") / "mlflow.db"
    MlflowClient(f"sqlite:///{file}").search_experiments(max_results=1)
    return file


@pytest.fixture
def tracking_store(empty_tracking_store: Path, tmp_path: Path) -> str:
    """URI of a database of MLflow in the temporary folder, still empty."""
    shutil.copy(empty_tracking_store, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder of real data sets: PRN_DATA_ROOT if it holds them; skips the test where none does."""
    roots = [*([Path(DATA_ROOT)] if DATA_ROOT else []), PROJECT.parent / "shared" / "datasets"]
    for root in roots:
        if all((root / name).is_dir() for name in DATASETS):
            return root
    places = " or ".join(map(str, roots))
    pytest.skip(f"no {', '.join(DATASETS)} in {places}: set PRN_DATA_ROOT to run this test")


@pytest.fixture(scope="session")
def forked_dask_workers() -> Iterator[None]:
    """Dask's local workers are forks of a process that has imported what tasks need, which takes each ten seconds."""
    import dask
    from distributed.utils import get_mp_context

    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        get_mp_context().set_forkserver_preload(["distributed", *NEEDED_BY_DASK_TASKS])
        yield


_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def object_storage() -> Iterator[str]:
    """URL of a server on this machine that speaks S3 and keeps its objects in memory."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(object_storage: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of an empty bucket, which this process and those it starts may use."""
    import fsspec

    access = {
        "AWS_ENDPOINT_URL": object_storage,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in access.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    name = f"bucket-{next(_NUMBERS)}"
    fsspec.filesystem("s3", use_listings_cache=False).mkdir(name)
    return f"s3://{name}"


def shim_path(folder: Path) -> str:
    """A PATH on which what is in a folder comes before the tools of this environment."""
    return os.pathsep.join([str(folder), str(Path(sys.executable).parent), os.environ["PATH"]])


@contextmanager
def hearing_ctrl_c() -> Iterator[None]:
    """Commands that start in the block hear Ctrl-C, as in a terminal: a shell lets its background jobs ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
