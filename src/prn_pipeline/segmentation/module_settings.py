"""Settings of torch modules that somebody else has written."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from prn_pipeline.segmentation.input_names import TTA, TTA_SCALES
from prn_pipeline.segmentation.shared_settings import Checked, LearntSplit, LossName, Side, Strict, is_default

#: ImageNet statistics of RGB values in [0, 1], which (nearly) all pretrained encoders of the library were trained with.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Normalisation(Strict):
    """Normalisation that a module expects: (values / divide_by - mean) / std, channel by channel."""

    divide_by: float = Field(255.0, gt=0, description="scales values of 0 .. 255 to the module's range")
    mean: tuple[float, ...] = Field(MEAN, min_length=1, description="of each channel, after the division")
    std: tuple[float, ...] = Field(
        STD, min_length=1, description="standard deviation of each channel, after the division"
    )
    channels: Literal["rgb", "bgr"] = Field("rgb", description="order of the channels that the module expects")

    @model_validator(mode="after")
    def _one_value_per_channel(self) -> Self:
        if len(self.mean) != len(self.std):
            raise ValueError(f"mean has {len(self.mean)} values and std {len(self.std)}: give one of each per channel")
        if min(self.std) <= 0:
            raise ValueError(f"std is {self.std}, expected values above 0")
        return self


class ModuleSettings(Checked):
    """Any torch module that can be imported: images (N,3,H,W) to one map per image, or one per class."""

    kind: Literal["module"]
    input_size: Side | tuple[Side, Side] | None = Field(
        None,
        exclude_if=is_default,
        description="side, or height and width, in pixels at which the module sees images, whatever the data set's"
        " image_size: they are stretched to it, and its maps back. null: image_size",
    )
    target: str = Field(
        pattern=r"^[\w.]+:[\w.]+$", description="package.module:Class, or a function that says `-> torch.nn.Module`"
    )
    options: dict[str, Any] = Field(default_factory=dict, description="arguments of `target`")
    weights: str | None = Field(None, description="safetensors or torch file, from the project's folder; null: random")
    sha256: str | None = Field(
        None, pattern="^[0-9a-f]{64}$", description="digest of the weights file: checked, and tracked by DVC"
    )
    ignore_weights: tuple[str, ...] = Field(
        (), description="shell patterns of names in the weights file that the network does without, such as teacher.*"
    )
    normalisation: Normalisation = Normalisation()
    output: Literal["logits", "probabilities"] = Field(
        "logits", description="what the module returns, before and after a sigmoid or softmax"
    )
    output_key: str | int | tuple[str | int, ...] | None = Field(
        None,
        description="key, index or attribute of the map in the module's output; several, such as [0, 0], if it is"
        " nested",
    )
    foreground: int | None = Field(
        None,
        ge=0,
        exclude_if=is_default,
        description="channel of the foreground, if the output has several; 0 for an output of one channel that is the"
        " map of the background; null: the second of two channels",
    )
    class_channels: tuple[int, ...] | None = Field(
        None,
        exclude_if=is_default,
        description="channel of each class, in the order of the data set's `classes`; null: 0, 1, 2, ...",
    )
    train: bool = Field(False, description="train it on the data set; false: use it unchanged")
    seen: tuple[LearntSplit, ...] = Field(
        (),
        description="splits whose images it was trained on; the refiner learns from maps of the others. A model that is"
        " trained here learns from train",
    )
    loss: LossName = Field(
        "bce_dice",
        description="training loss; bce_* is the mean of both terms; bce of several classes is cross-entropy",
    )

    @property
    def available_inputs(self) -> tuple[str, ...]:
        """Arrays that logit_caching can keep in addition to the logits."""
        return (TTA, TTA_SCALES)

    @property
    def trained_here(self) -> bool:
        """Whether base_training trains the model."""
        return self.train

    @property
    def input_shape(self) -> tuple[int, int] | None:
        """Height and width of the module's input; None if it takes images as they are."""
        return (self.input_size, self.input_size) if isinstance(self.input_size, int) else self.input_size

    @model_validator(mode="after")
    def _trained_on_squares(self) -> Self:
        if self.train and self.input_shape and self.input_shape[0] != self.input_shape[1]:
            raise ValueError(
                f"input_size is {list(self.input_shape)}, but with `train: true` samples are turned by 90 degrees and"
                " must stay squares: give one side"
            )
        return self

    @model_validator(mode="after")
    def _one_value_per_image_channel(self) -> Self:
        if len(self.normalisation.mean) != self.channels:
            raise ValueError(
                f"images have {self.channels} channels, but normalisation.mean has {len(self.normalisation.mean)}"
                " values: give one value of mean and of std per channel"
            )
        return self

    @model_validator(mode="before")
    @classmethod
    def _trained_here_it_sees_train(cls, values: Any) -> Any:
        return {"seen": ("train",), **values} if isinstance(values, dict) and values.get("train") else values

    @model_validator(mode="after")
    def _learns_from_train(self) -> Self:
        if self.train and self.seen != ("train",):
            raise ValueError(
                f"seen is {list(self.seen)}, but with `train: true` the model learns from train only: omit `seen`"
            )
        return self
