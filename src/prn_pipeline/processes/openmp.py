"""Threads of OpenMP, which PyTorch computes with, sleep while they wait for each other."""

from __future__ import annotations

import os

#: Variables by which a user decides how threads wait: the standard's, and those of GNU's and LLVM's libraries.
VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


def wait_asleep() -> None:
    """Let threads sleep while they wait, unless a variable says how they wait; before PyTorch is imported.

    By default they wait in a loop, ready to go on at once. If another process needs the processor, a thread spends its
    whole share of it in that loop, while the thread that it waits for has none: two busy processes on two cores train
    three to ten times slower. OpenMP reads the variable once, when it is loaded; child processes inherit it.
    """
    if not any(variable in os.environ for variable in VARIABLES):
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
