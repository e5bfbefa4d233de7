"""Settings of every kind of base model."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from prn_pipeline.data.readers.map_reading import MapReading
from prn_pipeline.data.splits.settings import RelativePath
from prn_pipeline.segmentation.map_inputs import SEVERAL_MAPS, TTA
from prn_pipeline.segmentation.map_places import MapPlace, OneMap, place_of

#: Splits that a model may have learned from.
LearntSplit = Literal["train", "val"]
LossName = Literal["bce", "dice", "bce_dice", "jaccard", "bce_jaccard", "focal", "lovasz", "tversky"]

#: What follows if maps disagree with the true masks: an error, a warning, or nothing, because nobody compares them.
Check = Literal["refuse", "warn", "skip"]

#: Side of a network's input in pixels.
_Side = Annotated[int, Field(ge=16)]

#: ImageNet statistics of RGB values in [0, 1], which (nearly) all pretrained encoders of the library were trained with.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _WithDataset(_Strict):
    """Settings that the data set determines for every base model."""

    classes: int = Field(1, ge=1, description="maps per image; set by the data set")
    channels: int = Field(3, ge=1, description="channels of an image; set by the data set")

    @property
    def has_network(self) -> bool:
        """Whether the source has a network that can be run on images."""
        return True

    @property
    def needs_support(self) -> bool:
        """Whether the network needs labelled images of what to segment as further input."""
        return False

    def suits(self, task: str) -> bool:
        """Whether the source can make maps for a task of `datasets.<name>.task`."""
        return task != "few_shot"


def _is_default(value: Any) -> bool:
    return value in (None, "refuse")


def _is_empty(value: Any) -> bool:
    return not value


class _FixedInput(_WithDataset):
    """Settings of a network that may have an input of fixed size; left out of dumps at its default, as `check` is."""

    input_size: _Side | None = Field(
        None,
        exclude_if=_is_default,
        description="side in pixels at which the network sees images, whatever the data set's image_size: they are"
        " stretched to it, and its logits back; it is also trained at that size. null: image_size",
    )

    @property
    def input_shape(self) -> tuple[int, int] | None:
        """Height and width of the network's input; None if it takes images as they are."""
        return None if self.input_size is None else (self.input_size, self.input_size)


class _Checked(_WithDataset):
    """Settings of a base model that was made elsewhere, whose maps may mean something else than the settings say.

    `check` is left out of dumps at its default, so that dumps from before it compare equal.
    """

    check: Check = Field(
        "refuse",
        exclude_if=_is_default,
        description="what to do if maps disagree with the true masks, and another reading of them fits far better:"
        " refuse, warn, or skip the comparison",
    )


class _TrainedHere(_FixedInput):
    """Settings of a base model that learns from split train only."""

    @property
    def trained_here(self) -> bool:
        """Whether base_training trains the model."""
        return True

    @property
    def seen(self) -> tuple[LearntSplit, ...]:
        """Splits whose images the model learns from; their maps are better than those of new images."""
        return ("train",)


class BaseModelSettings(_TrainedHere):
    """Any architecture and encoder of segmentation-models-pytorch."""

    kind: Literal["smp"] = "smp"
    architecture: str = Field(
        description="class name in segmentation_models_pytorch, case-insensitive: Unet, Linknet, FPN, ..."
    )
    encoder: str = Field(description="encoder name in segmentation_models_pytorch; timm encoders have the prefix tu-")
    encoder_weights: str | None = Field(None, description="name of pretrained weights, such as imagenet; null: random")
    options: dict[str, Any] = Field(default_factory=dict, description="further arguments of the architecture")
    loss: LossName = Field(
        "bce_dice",
        description="training loss; bce_* is the mean of both terms; bce of several classes is cross-entropy",
    )

    @field_validator("options")
    @classmethod
    def _returns_one_map_of_logits(cls, options: dict[str, Any]) -> dict[str, Any]:
        if options.get("activation") not in (None, "identity"):
            raise ValueError(
                f"activation is {options['activation']!r}, but the loss and the maps need the network's logits: remove"
                " `activation` from options"
            )
        if options.get("aux_params") is not None:
            raise ValueError(
                "aux_params adds a second output, a label of the image, which nothing reads: remove `aux_params` from"
                " options"
            )
        return options

    @property
    def available_inputs(self) -> tuple[str, ...]:
        """Arrays that logit_caching can keep in addition to the logits."""
        return ("tta", "features") if self.classes == 1 else ("tta",)


class Normalisation(_Strict):
    """Normalisation that a module expects: (values / divide_by - mean) / std, channel by channel."""

    divide_by: float = Field(255.0, gt=0, description="scales values of 0 .. 255 to the module's range")
    mean: tuple[float, ...] = Field(MEAN, min_length=1)
    std: tuple[float, ...] = Field(STD, min_length=1)
    channels: Literal["rgb", "bgr"] = "rgb"

    @model_validator(mode="after")
    def _one_value_per_channel(self) -> Self:
        if len(self.mean) != len(self.std):
            raise ValueError(f"mean has {len(self.mean)} values and std {len(self.std)}: give one of each per channel")
        if min(self.std) <= 0:
            raise ValueError(f"std is {self.std}, expected values above 0")
        return self


class ModuleSettings(_Checked):
    """Any torch module that can be imported: images (N,3,H,W) to one map per image, or one per class."""

    kind: Literal["module"]
    input_size: _Side | tuple[_Side, _Side] | None = Field(
        None,
        exclude_if=_is_default,
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
    output: Literal["logits", "probabilities"] = "logits"
    output_key: str | int | tuple[str | int, ...] | None = Field(
        None,
        description="key, index or attribute of the map in the module's output; several, such as [0, 0], if it is"
        " nested",
    )
    foreground: int | None = Field(
        None,
        ge=0,
        exclude_if=_is_default,
        description="channel of the foreground, if the output has several; 0 for an output of one channel that is the"
        " map of the background; null: the second of two channels",
    )
    class_channels: tuple[int, ...] | None = Field(
        None,
        exclude_if=_is_default,
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
        return ("tta",)

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


class FewShotSettings(_TrainedHere):
    """Settings of a model that segments what a few labelled images define; for data sets of task few_shot."""

    kind: Literal["few_shot"]
    encoder: str = Field(description="encoder name in segmentation_models_pytorch; timm encoders have the prefix tu-")
    encoder_weights: str | None = Field(None, description="name of pretrained weights, such as imagenet; null: random")
    shots: int = Field(1, ge=1, description="number of labelled support images per query")
    episodes_seed: int = Field(0, ge=0, description="seed that draws the support of every image of val and test")
    width: int = Field(64, ge=16, multiple_of=16, description="channels of the decoder")
    loss: LossName = Field("bce_dice", description="training loss; bce_* is the mean of both terms")

    @property
    def available_inputs(self) -> tuple[str, ...]:
        """Arrays that logit_caching can keep in addition to the logits."""
        return ("tta",)

    @property
    def needs_support(self) -> bool:
        """Whether the network needs labelled images of what to segment as further input."""
        return True

    def suits(self, task: str) -> bool:
        """Whether the source can make maps for a task of `datasets.<name>.task`."""
        return task == "few_shot"


class MapFilesSettings(_Checked, MapReading):
    """Settings of maps that another program wrote, one file per sample, without a network."""

    kind: Literal["maps"]
    folder: RelativePath = Field("maps", description="sub-folder of the data set's folder, or a glob pattern below it")
    name: str | None = Field(
        None, description="regular expression for file names whose group(1) is the sample id; null: the stem is the id"
    )
    maps: tuple[OneMap, ...] = Field(
        (),
        exclude_if=_is_empty,
        description="instead of `folder`: the maps of several models, each a folder, or a block with `folder` and the"
        " keys of this block that differ for it. The first is the base model of the run; their mean is a method of its"
        " own, and an input of refiners",
    )
    tta: OneMap | tuple[OneMap, ...] | None = Field(
        None,
        exclude_if=_is_default,
        description="maps of the base model's TTA: one folder of the mean over all passes; or a list of folders, one"
        " per pass other than the unchanged one, each with the `orientation` that its maps still have",
    )
    seen: tuple[LearntSplit, ...] = Field(
        (),
        description="splits whose images the model was trained on; the refiner learns from maps of the others",
    )

    @property
    def places(self) -> tuple[MapPlace, ...]:
        """Where the maps of each model are, the base model's first."""
        return tuple(place_of(self, one) for one in self.maps) or (place_of(self),)

    @property
    def passes(self) -> tuple[MapPlace, ...]:
        """Where the maps of TTA are: their mean, or one place per pass; none without TTA."""
        listed = () if self.tta is None else self.tta if isinstance(self.tta, tuple) else (self.tta,)
        return tuple(place_of(self.places[0], one) for one in listed)

    @property
    def further(self) -> dict[str, tuple[MapPlace, ...]]:
        """Where the maps are that each array of `map_inputs` is made of, in addition to the base model's."""
        places = {SEVERAL_MAPS: self.places[1:], TTA: self.passes}
        return {name: found for name, found in places.items() if found}

    @property
    def tta_is_mean(self) -> bool:
        """Whether the maps of TTA are the mean over its passes."""
        return not isinstance(self.tta, tuple)

    @property
    def available_inputs(self) -> tuple[str, ...]:
        """Arrays that logit_caching can keep in addition to the logits."""
        return tuple(self.further)

    @model_validator(mode="after")
    def _each_map_once(self) -> Self:
        if self.maps and self.folder != MapFilesSettings.model_fields["folder"].default:
            raise ValueError(f"folder is {self.folder}, but `maps` lists the folders: make it the first of them")
        places = [*self.places, *self.passes]  # also says which keys of a map contradict those of the block
        twice = next((place for number, place in enumerate(places) if place in places[:number]), None)
        if twice is not None:
            raise ValueError(f"{twice.folder} is listed twice and read alike: remove one, or correct its keys")
        return self

    @property
    def trained_here(self) -> bool:
        """Whether base_training trains the model."""
        return False

    @property
    def has_network(self) -> bool:
        """Whether the source has a network that can be run on images."""
        return False

    def suits(self, task: str) -> bool:
        """Whether the source can make maps for a task of `datasets.<name>.task`: files may hold maps of any task."""
        return True
