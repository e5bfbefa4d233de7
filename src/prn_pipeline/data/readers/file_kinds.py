"""Which picture formats are read here: those of Pillow, and those of plugins that are installed."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from pathlib import PurePath

from PIL import features

#: Formats that every Pillow reads.
_ALWAYS = frozenset({".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
_HEIF, _JXL = frozenset({".heic", ".heif", ".hif"}), frozenset({".jxl"})
#: Module of a Pillow plugin -> formats that it adds.
_PLUGINS = {"pillow_heif": _HEIF, "pillow_jxl": _JXL}
#: Package of the extra `formats` -> formats that are read with it.
_PACKAGES = {"pydicom": frozenset({".dcm"}), "nibabel": frozenset({".nii", ".nii.gz"})}
_MEDICAL = frozenset.union(*_PACKAGES.values())
_INSTALLED = [name for name in _PLUGINS if find_spec(name)]
_AVIF = frozenset({".avif"})

#: Formats that are read, as suffixes in lower case.
PICTURES = frozenset.union(
    _ALWAYS,
    *(_PLUGINS[name] for name in _INSTALLED),
    *(formats for name, formats in _PACKAGES.items() if find_spec(name)),
    _AVIF if features.check("avif") else frozenset(),
)
#: Formats of pictures that are not read here. Such a file was meant as an image: it is counted, never passed over.
UNREAD = (
    _HEIF
    | _JXL
    | _AVIF
    | _MEDICAL
    | frozenset({".arw", ".cr2", ".cr3", ".dng", ".exr", ".hdr", ".jpf", ".jpx", ".j2k", ".nef", ".orf"})
    | frozenset({".psd", ".raf", ".raw", ".rw2", ".svg", ".tga", ".xcf", ".mha", ".nrrd", ".czi", ".svs"})
) - PICTURES


def kind_of(path: PurePath) -> str:
    """The suffix of a file in lower case; of compressed NIfTI files .nii.gz."""
    suffix = path.suffix.lower()
    return ".nii.gz" if suffix == ".gz" and path.name.lower().endswith(".nii.gz") else suffix


def stem_of(path: PurePath) -> str:
    """The name of a file without `kind_of`."""
    return path.name[: len(path.name) - len(kind_of(path))]


def register_plugins() -> None:
    """Let Pillow open the formats of the plugins that are installed; further calls do nothing."""
    while _INSTALLED:
        module = import_module(_INSTALLED.pop())  # pillow_jxl registers itself when it is imported
        if hasattr(module, "register_heif_opener"):
            module.register_heif_opener()


def how_to_read(suffixes: Iterable[str]) -> str:
    """What to do about files of these kinds, as a sentence; the suffixes are in lower case."""
    wanted = set(suffixes)
    if wanted & (_HEIF - PICTURES):
        return "HEIC is read after `pip install 'prn_pipeline[heif]'`; or convert the files to PNG."
    if wanted & (_MEDICAL - PICTURES):
        return "DICOM and NIfTI files are read after `pip install 'prn_pipeline[formats]'`; or convert them to PNG."
    if wanted & (_JXL - PICTURES):
        return "JPEG XL is read after `pip install pillow-jxl-plugin`; or convert the files to PNG."
    if wanted & (_AVIF - PICTURES):
        return "AVIF is read by Pillow 11.3 and later; or convert the files to PNG."
    if wanted & {".npy", ".npz"}:
        return "Arrays are read as images if `bands: {count: ...}` is set; or convert the files to PNG."
    return "Convert them to PNG."
