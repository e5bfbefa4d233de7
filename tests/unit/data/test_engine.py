"""Parts of a store that processes can make without knowing of one another."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from prn_pipeline.data.execution.engine import open_engine
from prn_pipeline.data.execution.settings import LOCAL, EngineSettings, whole_shards
from prn_pipeline.data.store.array_store import SHARD_ROWS, rows_together


@given(rows=st.integers(1, 5000), together=st.integers(1, 40), shards=st.integers(1, 9))
def test_parts_are_all_rows_once_and_end_where_shards_images_and_batches_end(
    rows: int, together: int, shards: int
) -> None:
    parts = whole_shards(rows, together, shards)
    assert [row for part in parts for row in range(*part)] == list(range(rows))
    for _, end in parts[:-1]:
        assert end % SHARD_ROWS == end % together == end % rows_together(together) == 0
    longest = max(end - start for start, end in parts)
    assert longest <= max(shards * SHARD_ROWS, math.lcm(SHARD_ROWS, rows_together(together)))


def test_one_process_takes_all_rows_at_once_and_results_come_in_order() -> None:
    assert LOCAL.parts(1000) == [(0, 1000)]
    with open_engine(EngineSettings()) as engine:
        assert list(engine.run(lambda part: part[0], [(5, 6), (1, 2)])) == [5, 1]


def test_an_address_without_dask_is_refused() -> None:
    with pytest.raises(ValidationError, match="set kind to dask"):
        EngineSettings(address="tcp://127.0.0.1:8786")
