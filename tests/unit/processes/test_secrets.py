"""Passwords and tokens are replaced in every text that is shown or stored, and nothing else is."""

import base64
import io
import json
import logging
import sys
import traceback
from pathlib import Path
from urllib.parse import quote

import pytest

from prn_pipeline.processes.redacted_output import RedactedStream, SecretsFilter, redact_logs
from prn_pipeline.processes.secrets import redact, remember_secrets

PLANTED = "pl4nted-S3cret"


@pytest.mark.parametrize(
    "text",
    [
        f"http://bob:{PLANTED}@mlflow.example:5000/api",
        f"postgresql+psycopg2://bob:{PLANTED}@db/mlflow",
        f"https://{PLANTED}@github.com/org/repo",
        f"http://bob:with@{PLANTED}@host",
        f"http://bob:with/{PLANTED}@host/path",
        f"http://bob:with?{PLANTED}#x@host/path",
        f"s3://key:{PLANTED}@bucket/folder",
        f"https://host/x?user=bob&password={PLANTED}",
        f"https://host/x?sslmode=require&api_key={PLANTED}&y=1",
        f"https://account.blob.core.windows.net/c?sv=1&sig={PLANTED}",
        f"Authorization: Bearer {PLANTED}.x",
        f"two: http://a:{PLANTED}@h and http://b:{PLANTED}@h",
    ],
)
def test_credentials_of_an_address_are_replaced_without_any_knowledge_of_them(text: str) -> None:
    assert PLANTED not in redact(text)
    assert redact(redact(text)) == redact(text)


def test_the_host_stays_so_that_a_user_knows_which_server_is_meant() -> None:
    found = redact(f"the tracking server http://bob:{PLANTED}@mlflow.example:5000/x does not answer")
    assert found == "the tracking server http://***@mlflow.example:5000/x does not answer"


@pytest.mark.parametrize(
    "text",
    [
        "sqlite:////home/a@b/mlflow.db?timeout=60",
        "http://localhost:5000/#/experiments/1/runs/2",
        "http://host:8080/a:b/c@v1",
        "models:/my_roads@champion and runs:/0123/predictor",
        "s3://bucket/folder@2/x.zarr",
        "tcp://10.0.0.1:8786",
        "refiner=prn,seed=0: write to prn@example.org",
        "tokens: 12; password: the variable MLFLOW_TRACKING_PASSWORD",
        "a key=value pair, ?page=2&size=3",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "name",
    [
        "MLFLOW_TRACKING_TOKEN",
        "MLFLOW_TRACKING_PASSWORD",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "HF_TOKEN",
        "WANDB_API_KEY",
        "AZURE_STORAGE_ACCOUNT_KEY",
        "GITHUB_PAT",
        "DB_PASSWD",
    ],
)
def test_values_of_secret_variables_are_replaced_wherever_they_stand(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = 'p&a"s s/w@rd' + PLANTED
    monkeypatch.setenv(name, secret)
    for text in (secret, quote(secret, safe=""), repr(secret), json.dumps({"x": secret}), f"<b>{secret}</b>"):
        assert PLANTED not in redact(f"found {text}.")
    assert base64.b64encode(secret.encode()).decode() not in redact(f"x {base64.b64encode(secret.encode()).decode()} y")


def test_the_password_of_an_address_in_the_environment_is_replaced_also_where_it_stands_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://bob:{quote('p@ss/' + PLANTED, safe='')}@host")
    assert redact(f"401 for bob with p@ss/{PLANTED}") == "401 for bob with ***"


def test_a_password_of_a_file_is_replaced_once_it_is_known() -> None:
    remember_secrets("postgresql://bob:only-in-conf-local@db/x")
    assert redact("password only-in-conf-local is wrong") == "password *** is wrong"


def test_ordinary_words_stay_though_a_variable_has_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (file := tmp_path / "token").write_text("x")
    monkeypatch.setenv("MY_TOKEN", str(file))  # the place of a secret is none
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    monkeypatch.setenv("STORE", "postgresql://mlflow:mlflow@db/mlflow")
    monkeypatch.setenv("REPO", "https://github.com/org/repo@main")
    monkeypatch.setenv("DATABASE", "postgresql://prn_pipeline@db/x")
    text = f"test of mlflow in {file}: false, org/repo, prn_pipeline; testing"
    assert redact(text) == text
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "roads")
    assert redact("synthetic_roads crossroads roads") == "synthetic_*** crossroads ***"


def test_logs_show_no_secret_in_messages_arguments_and_tracebacks() -> None:
    stream = io.StringIO()
    logger = logging.Logger("planted")
    handler = logging.StreamHandler(stream)
    handler.addFilter(SecretsFilter())
    logger.addHandler(handler)
    address = f"http://bob:{PLANTED}@host"
    logger.warning("server %s", address)
    logger.warning("%d arguments do not fit", address)
    try:
        raise ValueError(address)
    except ValueError:
        logger.exception("failed")
    assert PLANTED not in stream.getvalue()
    assert "server http://***@host" in stream.getvalue()
    assert "Traceback" in stream.getvalue()
    assert "ValueError: http://***@host" in stream.getvalue()


def test_every_handler_is_filtered_once_however_often_it_is_asked() -> None:
    logger, handler = logging.getLogger("planted.handlers"), logging.NullHandler()
    logger.addHandler(handler)
    redact_logs()
    redact_logs()
    assert [type(one) for one in handler.filters] == [SecretsFilter]
    logger.removeHandler(handler)


def test_a_stream_shows_no_secret_whoever_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", RedactedStream(written))
    try:
        raise RuntimeError(f"http://bob:{PLANTED}@host")
    except RuntimeError:
        traceback.print_exc()
    print(f"View run at: http://bob:{PLANTED}@host/#/experiments/0", file=sys.stderr)
    sys.stderr.writelines([f"https://{PLANTED}@host\n"])
    assert PLANTED not in written.getvalue()
    assert written.getvalue().count("***@host") >= 3
