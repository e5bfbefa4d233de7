"""Settings of base models that are trained here, and of maps from files; see `module_settings` for other networks."""

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from prn_pipeline.data.readers.map_reading import MapReading
from prn_pipeline.data.splits.settings import RelativePath
from prn_pipeline.segmentation.input_names import SEVERAL_MAPS, TTA, TTA_SCALES
from prn_pipeline.segmentation.map_places import MapPlace, OneMap, place_of
from prn_pipeline.segmentation.shared_settings import Checked, LearntSplit, LossName, TrainedHere, is_default, is_empty


class BaseModelSettings(TrainedHere):
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
        return (TTA, TTA_SCALES, "features") if self.classes == 1 else (TTA, TTA_SCALES)


class FewShotSettings(TrainedHere):
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
        return (TTA, TTA_SCALES)

    @property
    def needs_support(self) -> bool:
        """Whether the network needs labelled images of what to segment as further input."""
        return True

    def suits(self, task: str) -> bool:
        """Whether the source can make maps for a task of `datasets.<name>.task`."""
        return task == "few_shot"


class MapFilesSettings(Checked, MapReading):
    """Settings of maps that another program wrote, one file per sample, without a network."""

    kind: Literal["maps"]
    folder: RelativePath = Field("maps", description="sub-folder of the data set's folder, or a glob pattern below it")
    name: str | None = Field(
        None, description="regular expression for file names whose group(1) is the sample id; null: the stem is the id"
    )
    maps: tuple[OneMap, ...] = Field(
        (),
        exclude_if=is_empty,
        description="instead of `folder`: the maps of several models, each a folder, or a block with `folder` and the"
        " keys of this block that differ for it. The first is the base model of the run; their mean is a method of its"
        " own, and an input of refiners",
    )
    tta: OneMap | tuple[OneMap, ...] | None = Field(
        None,
        exclude_if=is_default,
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
