"""Settings of boosted trees."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from prn_pipeline.refinement.region_detail.input_order import in_order

#: Pixels per side of the coarsest cells that are averaged over, of which heights and widths are multiples.
COARSEST = 32


class TreesSettings(BaseModel):
    """Settings of boosted trees on the context of each pixel, one ensemble of trees per fold of the maps."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: Literal["trees"]
    inputs: Annotated[tuple[Literal["tta", "tta_scales", "images", "several_maps"], ...], AfterValidator(in_order)] = (
        Field((), description="inputs other than the logits: tta, tta_scales, images, several_maps")
    )
    stride: Literal[1, 2, 4] = Field(
        2, description="pixels per side of the cells that are corrected; between their centres it is interpolated"
    )
    trees: int = Field(150, ge=1, description="trees per member, each of which corrects what those before it left")
    depth: int = Field(4, ge=1, le=8, description="questions per tree; a tree has 2^depth corrections to choose from")
    learning_rate: float = Field(0.1, gt=0, le=1, description="share of the best correction that each tree makes")
    penalty: float = Field(
        200.0, gt=0, description="pixels of doubt (p = 0.5 counts 1/4) that a leaf must have to make half a correction"
    )
    image_share: float = Field(
        0.5, gt=0, le=1, description="share of the images that each tree sees, so that no tree learns single images"
    )
    feature_share: float = Field(0.25, gt=0, le=1, description="share of the features that each tree may ask about")
    pixels: int = Field(100_000, ge=1000, description="cells to learn from, drawn from all maps, more where they err")
    members: int = Field(
        5, ge=2, le=10, description="number of ensembles, each of which leaves out one fold; at most one per group"
    )
    image_channels: int = Field(3, ge=1, description="channels of an image; set by the data set")
    several_maps_channels: int | None = Field(
        None,
        exclude_if=lambda channels: channels is None,
        description="number of models whose maps are several_maps; null: read from the logit cache",
    )
    tta_scales: tuple[float, ...] | None = Field(
        None,
        exclude_if=lambda scales: scales is None,
        description="other scales of the image of which tta_scales is the mean; null: read from the logit cache",
    )

    @property
    def arrays(self) -> tuple[str, ...]:
        """Names of the stored arrays that the refiner reads; the base logits come first."""
        return ("logits", *self.inputs)

    @property
    def multiple(self) -> int:
        """Heights and widths of maps must be multiples of this: cells of the coarsest averages are whole."""
        return COARSEST

    @property
    def sees_whole_maps(self) -> bool:
        """Whether the refiner needs whole maps: yes, averages over the map are among its features."""
        return True

    @property
    def fewest_groups(self) -> int:
        """Smallest number of groups of unseen images: every member leaves out at least one of them."""
        return 2
