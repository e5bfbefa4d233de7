"""A base model by name: where its logits come from, what it is trained on."""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from prn_pipeline.data.splits.settings import RelativePath

#: What may be learned from.
LearntSplit = Literal["train", "val"]
LossName = Literal["bce", "dice", "bce_dice", "jaccard", "bce_jaccard", "focal", "lovasz", "tversky"]

#: ImageNet statistics of RGB values in [0, 1]; what every pretrained encoder of the library was trained with, or close.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Described(_Strict):
    """What the data set says of every base model."""

    classes: int = Field(1, ge=1, description="maps an image; the data set says how many")
    channels: int = Field(3, ge=1, description="of an image; the data set says how many")

    @property
    def has_network(self) -> bool:
        """Whether there is a network that can be run on images."""
        return True

    @property
    def needs_support(self) -> bool:
        """Whether the network must be given labelled images of what to segment."""
        return False

    def suits(self, task: str) -> bool:
        """Whether it can make maps for a task of `datasets.<name>.task`."""
        return task != "few_shot"


class _TrainedHere(_Described):
    """A base model that learns from split train, and from nothing else."""

    @property
    def trained_here(self) -> bool:
        """Whether base_training has anything to train."""
        return True

    @property
    def seen(self) -> tuple[LearntSplit, ...]:
        """Splits whose images it learns from; maps of them are better than those of new images."""
        return ("train",)


class BaseModelSettings(_TrainedHere):
    """Any architecture and encoder of segmentation-models-pytorch."""

    kind: Literal["smp"] = "smp"
    architecture: str = Field(
        description="class name in segmentation_models_pytorch, in any case: Unet, Linknet, FPN, ..."
    )
    encoder: str = Field(description="encoder name in segmentation_models_pytorch, timm's with the prefix tu-")
    encoder_weights: str | None = Field(None, description="name of pretrained weights, such as imagenet; null: random")
    options: dict[str, Any] = Field(default_factory=dict, description="further arguments of the architecture")
    loss: LossName = Field(
        "bce_dice", description="what it is trained on; bce_* is the mean of the two; bce of classes is cross-entropy"
    )

    @property
    def available_inputs(self) -> tuple[str, ...]:
        """What logit_caching may keep beside the logits."""
        return ("tta", "features") if self.classes == 1 else ("tta",)


class Normalisation(_Strict):
    """What a module expects of its images: (values / divide_by - mean) / std, channel by channel."""

    divide_by: float = Field(255.0, gt=0, description="brings values of 0 .. 255 to the module's range")
    mean: tuple[float, ...] = Field(MEAN, min_length=1)
    std: tuple[float, ...] = Field(STD, min_length=1)
    channels: Literal["rgb", "bgr"] = "rgb"

    @model_validator(mode="after")
    def _one_a_channel(self) -> Self:
        if len(self.mean) != len(self.std):
            raise ValueError(f"mean has {len(self.mean)} values and std {len(self.std)}: give one each a channel")
        if min(self.std) <= 0:
            raise ValueError(f"std is {self.std}: values above 0 are expected")
        return self


class ModuleSettings(_Described):
    """Any torch module that can be imported: images (N,3,H,W) in, one map out."""

    kind: Literal["module"]
    target: str = Field(
        pattern=r"^[\w.]+:[\w.]+$", description="package.module:Class, or anything else that gives a torch.nn.Module"
    )
    options: dict[str, Any] = Field(default_factory=dict, description="arguments of `target`")
    weights: str | None = Field(None, description="safetensors or torch file, from the project's folder; null: random")
    sha256: str | None = Field(
        None, pattern="^[0-9a-f]{64}$", description="of the weights file: checked, and followed by DVC"
    )
    normalisation: Normalisation = Normalisation()
    output: Literal["logits", "probabilities"] = "logits"
    output_key: str | int | None = Field(None, description="which part of a dict, tuple or object is the map")
    train: bool = Field(False, description="train it on the data set; false: run it as it is")
    seen: tuple[LearntSplit, ...] = Field(
        ("train",), description="splits whose images it was trained on; PRN learns from maps of the others"
    )
    loss: LossName = Field(
        "bce_dice", description="what it is trained on; bce_* is the mean of the two; bce of classes is cross-entropy"
    )

    @property
    def available_inputs(self) -> tuple[str, ...]:
        """What logit_caching may keep beside the logits."""
        return ("tta",)

    @property
    def trained_here(self) -> bool:
        """Whether base_training has anything to train."""
        return self.train

    @model_validator(mode="after")
    def _a_value_a_band(self) -> Self:
        if len(self.normalisation.mean) != self.channels:
            raise ValueError(
                f"images have {self.channels} channels, and normalisation.mean {len(self.normalisation.mean)} values:"
                " give one each, and one of std"
            )
        return self

    @model_validator(mode="after")
    def _learns_from_train(self) -> Self:
        if self.train and self.seen != ("train",):
            raise ValueError("with `train: true` it sees train, and nothing else: leave `seen` out")
        return self


class FewShotSettings(_TrainedHere):
    """A model that is shown, in a few labelled images, what to segment; for data sets of task few_shot."""

    kind: Literal["few_shot"]
    encoder: str = Field(description="encoder name in segmentation_models_pytorch, timm's with the prefix tu-")
    encoder_weights: str | None = Field(None, description="name of pretrained weights, such as imagenet; null: random")
    shots: int = Field(1, ge=1, description="labelled images that it is shown")
    episodes_seed: int = Field(0, ge=0, description="of the draw that shows every image of val and test its support")
    width: int = Field(64, ge=16, multiple_of=16, description="channels of the decoder")
    loss: LossName = Field("bce_dice", description="what it is trained on; bce_* is the mean of the two")

    @property
    def available_inputs(self) -> tuple[str, ...]:
        """What logit_caching may keep beside the logits."""
        return ("tta",)

    @property
    def needs_support(self) -> bool:
        """Whether the network must be given labelled images of what to segment."""
        return True

    def suits(self, task: str) -> bool:
        """Whether it can make maps for a task of `datasets.<name>.task`."""
        return task == "few_shot"


class MapFilesSettings(_Described):
    """No model at all: maps that another program wrote, a file a sample."""

    kind: Literal["maps"]
    folder: RelativePath = Field("maps", description="sub-folder of the data set's folder, or a glob pattern below it")
    name: str | None = Field(
        None, description="regular expression for file names; group(1) is the sample's id. null: the stem is"
    )
    values: Literal["probabilities", "logits"] = "probabilities"
    seen: tuple[LearntSplit, ...] = Field(
        ("train",), description="splits whose images the model was trained on; PRN learns from maps of the others"
    )

    @property
    def available_inputs(self) -> tuple[str, ...]:
        """What logit_caching may keep beside the logits."""
        return ()

    @property
    def trained_here(self) -> bool:
        """Whether base_training has anything to train."""
        return False

    @property
    def has_network(self) -> bool:
        """Whether there is a network that can be run on images."""
        return False

    def suits(self, task: str) -> bool:
        """Whether it can make maps for a task of `datasets.<name>.task`: another program's maps may be of any."""
        return True
