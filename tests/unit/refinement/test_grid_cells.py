"""Grid cells of the local branch: one call decodes all of them, each independently."""

import pytest
import torch

from prn_pipeline.refinement import PatchRefineNet
from prn_pipeline.refinement.patch_refine_net.grid_cells import join_cells, split_into_cells, with_upstream_bug

pytestmark = pytest.mark.usefixtures("one_thread")


def small(**settings) -> PatchRefineNet:
    torch.manual_seed(0)
    return PatchRefineNet(**{"width": 4, "grid": 2, **settings}).eval()


def test_local_logits_depend_on_other_cells_only_through_the_encoder() -> None:
    model = small(grid=4)
    features = features_of(4, 64)
    with torch.no_grad():
        whole = join_cells(model.local_branch([split_into_cells(f, 4) for f in features]), 4)
        for row, column in ((0, 0), (1, 3), (3, 2)):
            sides = [f.shape[-1] // 4 for f in features]
            alone = [
                f[..., row * s : (row + 1) * s, column * s : (column + 1) * s]
                for f, s in zip(features, sides, strict=True)
            ]
            cell = whole[..., row * 16 : (row + 1) * 16, column * 16 : (column + 1) * 16]
            torch.testing.assert_close(model.local_branch(alone), cell, atol=1e-6, rtol=0)


def test_cells_are_in_row_major_order_and_joining_undoes_splitting() -> None:
    x = torch.arange(2 * 3 * 4 * 6).reshape(2, 3, 4, 6)
    cells = split_into_cells(x, 2)
    assert torch.equal(cells[1], x[0, :, :2, 3:])
    assert torch.equal(cells[6], x[1, :, 2:, :3])
    assert torch.equal(join_cells(cells, 2), x)


def test_the_upstream_bug_replaces_one_row_of_cells_and_no_other() -> None:
    cells = torch.arange(2 * 64).reshape(128, 1, 1, 1)
    found = with_upstream_bug(cells).flatten()
    expected = torch.arange(128).reshape(2, 8, 8)
    expected[:, 6] = expected[:, 2]
    assert torch.equal(found, expected.flatten())


def features_of(width: int, side: int) -> list[torch.Tensor]:
    return [torch.rand(1, width * 2**i, side // 2**i, side // 2**i) for i in range(4)]


@pytest.mark.parametrize("grid", [1, 2, 4, 8])
def test_all_cells_are_decoded_in_one_call(grid: int) -> None:
    model = small(grid=grid)
    batches: list[int] = []
    model.local_branch.register_forward_hook(lambda module, inputs, output: batches.append(len(output)))
    with torch.no_grad():
        model(torch.rand(3, 1, 64, 64))
    assert batches == [3 * grid**2]


@pytest.mark.parametrize("scale", range(4))
def test_a_change_in_one_cell_does_not_affect_the_others(scale: int) -> None:
    model, features = small(grid=4), features_of(4, 64)

    def decoded() -> torch.Tensor:
        with torch.no_grad():
            return join_cells(model.local_branch([split_into_cells(f, 4) for f in features]), 4)

    before = decoded()
    side = features[scale].shape[-1] // 4
    features[scale][..., side : 2 * side, 2 * side : 3 * side] += 1
    changed = (decoded() != before)[0, 0]
    assert changed[16:32, 32:48].any()
    changed[16:32, 32:48] = False
    assert not changed.any()
