"""Limits of a server over all its requests; `predictor.limits` has those of one request."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ServerSettings(BaseModel):
    """How many requests a server holds, and for how long."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at_once: int = Field(2, ge=1, description="requests answered at the same time; passes of the networks take turns")
    waiting: int = Field(32, ge=0, description="further requests that may wait; beyond them the answer is 503")
    seconds: float = Field(60, gt=0, description="for the answer to a request, which then gets 504")
    body_seconds: float = Field(30, gt=0, description="for a request to arrive, which then gets 408")
    megabytes: int = Field(1024, ge=1, description="of all requests in memory together, in MiB; beyond them 503")
    connections: int = Field(1000, ge=1, description="open connections; beyond them 503")
