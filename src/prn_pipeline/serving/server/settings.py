"""Limits of a server over all its requests; `predictor.limits` has those of one request."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ServerSettings(BaseModel):
    """How many requests a server holds, and for how long."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at_once: int = Field(
        2, ge=1, description="how many requests are answered at the same time; the networks take turns"
    )
    waiting: int = Field(32, ge=0, description="how many more requests may wait; any further one is answered with 503")
    seconds: float = Field(60, gt=0, description="how long an answer may take; a request that takes longer gets 504")
    body_seconds: float = Field(
        30, gt=0, description="how long a request may take to arrive; one that takes longer gets 408"
    )
    megabytes: int = Field(
        1024, ge=1, description="how much memory all requests together may take, in MiB; any further one gets 503"
    )
    connections: int = Field(1000, ge=1, description="how many connections may be open; any further one gets 503")
