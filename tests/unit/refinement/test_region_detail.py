"""The network that corrects by region and by detail."""

import pytest
import torch
from torch import Tensor

from prn_pipeline.errors import UserError
from prn_pipeline.refinement.region_detail.model import RegionDetailNet
from prn_pipeline.refinement.region_detail.settings import RegionDetailSettings


def settings(**changes: object) -> RegionDetailSettings:
    values = {"network": "region_detail", "region_width": 8, "detail_width": 4, "detail_levels": 2, "region_size": 8}
    return RegionDetailSettings.model_validate(values | changes)


def inputs_of(net: RegionDetailNet, side: int = 32) -> list[Tensor]:
    known = {
        "logits": torch.randn(2, 1, side, side),
        "tta": torch.randn(2, 2, side, side).abs(),
        "features": torch.randn(2, 6, side // 4, side // 4),
        "images": torch.randint(0, 256, (2, 3, side, side), dtype=torch.uint8),
    }
    return [known[name] for name in net.arrays]


ALL = ["images", "features", "tta"]


@pytest.mark.parametrize("changes", [{}, {"detail_width": 0}, {"region_size": 0}, {"inputs": ["images", "features"]}])
def test_an_untrained_network_equals_the_base_model(changes: dict[str, object]) -> None:
    net = RegionDetailNet(settings(feature_channels=6, **changes)).eval()
    maps = inputs_of(net)
    assert torch.equal(net(*maps).final, maps[0])


def test_an_untrained_network_with_tta_equals_the_tta_mean() -> None:
    net = RegionDetailNet(settings(inputs=ALL, feature_channels=6)).eval()
    assert net.arrays == ("logits", "tta", "features", "images"), "the order does not depend on the settings"
    maps = inputs_of(net)
    assert torch.equal(net(*maps).final, maps[1][:, :1])


def test_both_branches_learn() -> None:
    torch.manual_seed(0)
    net = RegionDetailNet(settings(inputs=ALL, feature_channels=6))
    maps = inputs_of(net)
    target = (torch.rand(2, 1, 32, 32) > 0.5).float()
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    losses = []
    for _ in range(40):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(net(*maps).final, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_the_region_branch_applies_only_a_shift_and_a_scale() -> None:
    torch.manual_seed(0)
    net = RegionDetailNet(settings(detail_width=0)).eval()
    torch.nn.init.normal_(net.region[-1].weight)  # type: ignore[index, union-attr, arg-type]
    base = torch.randn(1, 1, 32, 32)
    refined = net(base).final
    pixels = torch.cat([base / 5, base.sigmoid()], 1)
    shift, log_scale = net.region_field(pixels, None)
    torch.testing.assert_close(refined, base * log_scale.exp() + shift)
    coarse = torch.nn.functional.avg_pool2d(shift, 8)
    back = torch.nn.functional.interpolate(coarse, scale_factor=8, mode="bilinear")
    assert (back - shift).abs().max() < 0.5 * shift.abs().max(), "smooth between regions"


def test_the_detail_branch_is_added_to_the_logits_after_the_region_branch() -> None:
    torch.manual_seed(0)
    net = RegionDetailNet(settings()).eval()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    base = torch.randn(1, 1, 32, 32)
    corrected = net(base)
    pixels = torch.cat([base / 5, base.sigmoid()], 1)
    torch.testing.assert_close(corrected.final - corrected.by_region, net.detail(pixels))  # type: ignore[misc]
    without = RegionDetailNet(settings(detail_width=0)).eval()
    assert torch.equal(*without(base))


def test_equivalent_settings_compare_equal_and_are_written_alike() -> None:
    one, other = (settings(inputs=inputs) for inputs in (["images", "tta", "images"], ["tta", "images"]))
    assert one == other
    assert one.model_dump(mode="json")["inputs"] == ["tta", "images"]


@pytest.mark.parametrize(("region", "levels", "side"), [(24, 4, 48), (8, 2, 40), (0, 3, 24), (12, 1, 36)])
def test_maps_whose_sides_are_multiples_work_with_features_of_any_size(region: int, levels: int, side: int) -> None:
    net = RegionDetailNet(settings(region_size=region, detail_levels=levels, inputs=["features"], feature_channels=6))
    assert side % net.settings.multiple == 0
    for height, width in ((side // 2, side), (3, 5), (side // 4, side // 4)):
        base = torch.randn(2, 1, side, 2 * side)
        assert net.eval()(base, torch.randn(2, 6, height, width)).final.shape == base.shape


def test_wrong_sizes_and_missing_inputs_are_explained() -> None:
    net = RegionDetailNet(settings(inputs=["images"]))
    with pytest.raises(UserError, match="reads logits, images, in this order, but was given 1"):
        net(torch.zeros(1, 1, 32, 32))
    with pytest.raises(UserError, match="multiples of 8"):
        net(torch.zeros(1, 1, 36, 32), torch.zeros(1, 3, 36, 32))
