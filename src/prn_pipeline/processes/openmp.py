"""Threads of OpenMP, which PyTorch computes with, wait for each other in a loop for a moment only, and then sleep."""

from __future__ import annotations

import os

#: Variables by which a user decides how threads wait: the standard's, and those of GNU's and LLVM's libraries.
VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
#: Turns of the loop. With none, steps of small networks take half as long again on an idle machine; with the library's
#: own number, two busy processes on two cores starve each other.
TURNS = "1000"


def wait_briefly() -> None:
    """Let threads wait in a loop for `TURNS` only, unless a variable says how they wait; before PyTorch is imported.

    A thread that waits in a loop goes on at once. But if another process needs the processor, it spends its whole share
    of it in that loop, while the thread that it waits for has none. OpenMP reads the variable once, when it is loaded;
    child processes inherit it.
    """
    if not any(variable in os.environ for variable in VARIABLES):
        os.environ["GOMP_SPINCOUNT"] = TURNS
