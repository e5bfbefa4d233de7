"""Row ranges that processes can compute independently of one another."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from prn_pipeline.data.execution.engine import open_engine
from prn_pipeline.data.execution.settings import LOCAL, EngineSettings, whole_shards
from prn_pipeline.data.store.array_store import SHARD_ROWS, rows_in_memory


@given(rows=st.integers(1, 5000), maps_per_image=st.integers(1, 40), shards=st.integers(1, 9))
def test_ranges_cover_all_rows_once_and_end_where_shards_images_and_batches_end(
    rows: int, maps_per_image: int, shards: int
) -> None:
    row_ranges = whole_shards(rows, maps_per_image, shards)
    assert [row for row_range in row_ranges for row in range(*row_range)] == list(range(rows))
    for _, end in row_ranges[:-1]:
        assert end % SHARD_ROWS == end % maps_per_image == end % rows_in_memory(maps_per_image) == 0
    longest = max(end - start for start, end in row_ranges)
    assert longest <= max(shards * SHARD_ROWS, math.lcm(SHARD_ROWS, rows_in_memory(maps_per_image)))


def test_one_process_takes_all_rows_at_once_and_results_come_in_order() -> None:
    assert LOCAL.row_ranges(1000) == [(0, 1000)]
    with open_engine(EngineSettings()) as engine:
        assert list(engine.run(lambda row_range: row_range[0], [(5, 6), (1, 2)])) == [5, 1]


def test_an_address_without_dask_is_refused() -> None:
    with pytest.raises(ValidationError, match="set kind to dask"):
        EngineSettings(address="tcp://127.0.0.1:8786")
