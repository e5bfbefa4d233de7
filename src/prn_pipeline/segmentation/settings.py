"""A base model by name: architecture, encoder, loss, training."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

LossName = Literal["bce", "dice", "bce_dice", "jaccard", "bce_jaccard", "focal", "lovasz", "tversky"]


class BaseModelSettings(BaseModel):
    """Any architecture and encoder of segmentation-models-pytorch."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    architecture: str = Field(
        description="class name in segmentation_models_pytorch, in any case: Unet, Linknet, FPN, ..."
    )
    encoder: str = Field(description="encoder name in segmentation_models_pytorch, timm's with the prefix tu-")
    encoder_weights: str | None = Field(None, description="name of pretrained weights, such as imagenet; null: random")
    options: dict[str, Any] = Field(default_factory=dict, description="further arguments of the architecture")
    loss: LossName = Field("bce_dice", description="what it is trained on; bce_* is the mean of the two")
