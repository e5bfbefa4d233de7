"""For a name that nobody knows, errors suggest the one that was most likely meant."""

import pytest

from prn_pipeline.errors import closest, unknown_name

KNOWN = ["unet_resnet18_small", "unet_resnet18", "wnet", "linknet_resnet34", "segformer_mit_b0"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("unet", "unet_resnet18"),  # not wnet, which is more similar
        ("UNet", "unet_resnet18"),
        ("unet_resnet18_smal", "unet_resnet18_small"),
        ("lnknet_resnet34", "linknet_resnet34"),
        ("WNET", "wnet"),
        ("Segformer", "segformer_mit_b0"),
        ("w", None),
        ("deeplab", None),
    ],
)
def test_a_beginning_counts_more_than_similar_letters(name: str, meant: str | None) -> None:
    assert closest(name, KNOWN) == meant


def test_the_error_names_the_closest_and_all() -> None:
    assert unknown_name("base_model", "UNet", KNOWN) == (
        "unknown base_model 'UNet'; did you mean 'unet_resnet18'? There are " + ", ".join(KNOWN)
    )
