"""Passwords and tokens in the environment: they are in nothing that a command prints or writes, however it ends."""

from __future__ import annotations

import random
import string
from pathlib import Path
from urllib.parse import quote

from benchmarks.planted_secrets import found_in, spellings
from benchmarks.soak.children import Command, Ended
from benchmarks.soak.record import Attempt, Finding
from benchmarks.soak.world import World

NAMES = (
    "AWS_SECRET_ACCESS_KEY",
    "DB_PASSWORD",
    "GITHUB_TOKEN",
    "HF_TOKEN",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "MY_API_KEY",
    "SERVICE_CREDENTIALS",
)
ALPHABETS = (string.hexdigits, string.ascii_letters + string.digits, string.ascii_letters + "@/:+%#&?=!$^*~ ")
COMMANDS = (
    ("kedro run", ["kedro", "run", "--pipelines", "ingestion"]),
    ("a stage", ["kedro", "run", "--pipelines", "reporting"]),
    ("a setting from the environment", ["kedro", "run", "--params", "refiner=${{oc.env:{name}}}"]),
    ("a setting of a number", ["kedro", "run", "--params", "evaluation.resamples=${{oc.env:{name}}}"]),
    ("an unknown name", ["kedro", "run", "--params", "dataset={secret}"]),
    ("the plan", ["prn", "plan"]),
    ("the leaderboard", ["prn", "leaderboard"]),
    ("the registry", ["prn", "models"]),
    ("refine from the registry", ["prn", "refine", "{images}", "--model", "models:/x@champion", "--out", "out"]),
)


def plant(draw: random.Random, folder: Path, world: World) -> Attempt:
    """Secrets in variables and addresses of the environment of one command."""
    alphabet, name = draw.choice(ALPHABETS), draw.choice(NAMES)
    token, password = (_secret(draw, draw.choice(ALPHABETS[:2])), _secret(draw, alphabet))
    variables = {name: token, "OTHER_URL": f"https://bob:{quote(password, safe='')}@other.example/x?api_key={token}"}
    address = f"http://bob:{quote(password, safe='')}@127.0.0.1:1"
    if draw.random() < 0.5:
        variables |= {"MLFLOW_TRACKING_URI": address, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    shown, command = draw.choice(COMMANDS)
    given = {"name": name, "secret": token, "images": str(world.images)}
    project = world.copy(world.finished, folder / "project")
    (folder / "temporary").mkdir()
    variables["TMPDIR"] = str(folder / "temporary")
    ended = Command([part.format(**given) for part in command], project, folder / "log.txt", variables).wait()
    places = found_in([folder], spellings(token) | spellings(password))
    findings = [Finding("leak", f"{shown}, {name}: {place}: {secret!r}") for place, secret in places]
    return Attempt(findings + _traceback(ended, shown), 1, shown)


def _traceback(ended: Ended, shown: str) -> list[Finding]:
    return [Finding("traceback", f"{shown}: {ended.output[-2000:]}")] if ended.has_traceback else []


def _secret(draw: random.Random, alphabet: str) -> str:
    return "".join(draw.choice(alphabet) for _ in range(draw.choice([8, 12, 20, 40]))).strip() + "7x"
