"""Passwords and tokens among the parameters are refused without showing them; what only sounds like one is not."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from prn_pipeline.configuration.secret_parameters import refuse_secrets
from prn_pipeline.errors import UserError
from prn_pipeline.processes.secrets import redact

PLANTED = "pl4ntedS3cretValue"
CONF = Path(__file__).resolve().parents[2] / "conf" / "base"


@pytest.mark.parametrize(
    "key",
    ["password", "api_key", "apikey", "hf_token", "token", "aws_secret_access_key", "client_secret", "auth_token",
     "AZURE_STORAGE_CONNECTION_STRING", "db_passwd", "private_key", "github_pat", "sentry_dsn"],
)  # fmt: skip
def test_a_parameter_that_names_a_secret_is_refused_with_its_key_alone(key: str) -> None:
    parameters = {"base_models": {"mine": {"kind": "module", "options": {"layers": [{key: PLANTED}]}}}}
    with pytest.raises(UserError, match=rf"passwords or tokens: base_models.mine.options.layers.{key}\.") as caught:
        refuse_secrets(parameters)
    assert PLANTED not in str(caught.value)
    assert PLANTED not in redact(f"whatever is printed later: {PLANTED}")


@pytest.mark.parametrize("address", [f"tcp://bob:{PLANTED}@head:8786", f"https://x.example/w.pt?token={PLANTED}"])
def test_an_address_with_a_password_is_refused(address: str) -> None:
    with pytest.raises(UserError, match=r"engine.address \(in its address\)") as caught:
        refuse_secrets({"engine": {"kind": "dask", "address": address}})
    assert PLANTED not in str(caught.value)


def test_many_are_listed_in_part() -> None:
    with pytest.raises(UserError, match=r"password-0, .*password-4 and 3 more\."):
        refuse_secrets({f"password-{number}": PLANTED for number in range(8)})


@pytest.mark.parametrize(
    "options",
    [
        {"class_token": True, "num_tokens": 4, "global_pool": "token"},
        {"pad_token": "<pad>", "cls_token": "[CLS]", "eos_token": "<|endoftext|>", "tokenizer": "bert-base-uncased"},
        {"token_mixer": "random_convolution", "tokens_per_frame": "all-of-them-and-more"},
        {"password": "", "api_key": None, "secret": "no"},
        {"token_path": "/home/me/.cache/token1234567890", "api_key_file": "keys/mine.txt"},
        {"address": "tcp://head:8786", "weights": "s3://bucket/a@b/net.pt", "repo": "https://github.com/org/repo@v1"},
        {"key": "a-long-key-with-3-digits", "keys": ["masks"], "pattern": "^(seq\\d+)_", "monkey": "capuchin monkey"},
    ],
)
def test_what_only_sounds_like_a_secret_is_no_error(options: dict[str, Any]) -> None:
    refuse_secrets({"base_models": {"mine": {"options": options}}})


def test_the_parameters_that_come_with_the_project_have_none() -> None:
    files = sorted(CONF.glob("parameters*.yml"))
    assert len(files) > 8
    for file in files:
        refuse_secrets(yaml.safe_load(file.read_text()))
