"""Masks in the formats of other programs are the same masks, pixel for pixel, for the programs that read them."""

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageDraw

from prn_pipeline.errors import UserError
from prn_pipeline.serving.exports import writing
from prn_pipeline.serving.exports.coco import FILE, MaskOfImage, annotated, write_coco
from prn_pipeline.serving.exports.geojson import write_geojson
from prn_pipeline.serving.exports.objects import categories, objects_of
from prn_pipeline.serving.exports.writing import require_packages, write_exports
from prn_pipeline.serving.exports.yolo import write_yolo
from prn_pipeline.serving.folder_job import FolderJob
from prn_pipeline.serving.folder_run import FolderRun
from prn_pipeline.serving.predictor import Predictor

#: Of pycocotools 2.0.11 itself.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
coco = pytest.importorskip("pycocotools.coco")
shapely = pytest.importorskip("shapely")
features = pytest.importorskip("rasterio.features")

MASKS = arrays.arrays(
    np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12), elements=st.integers(0, 1)
)


def ring_with_island() -> np.ndarray:
    """A ring with a hole, an island in the hole, and a pixel that touches the ring at a corner."""
    mask = np.zeros((20, 30), np.uint8)
    mask[2:14, 3:18] = 1
    mask[5:11, 6:15] = 0
    mask[7:9, 9:12] = 1
    mask[14, 18] = 1
    mask[19, 29] = 1
    return mask


def flood_fill_count(mask: np.ndarray) -> int:
    """Connected components with 8 neighbours, by walking from pixel to pixel."""
    left = set(zip(*np.nonzero(mask), strict=True))
    count = 0
    while left:
        count, open_ = count + 1, [left.pop()]
        while open_:
            y, x = open_.pop()
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            open_ += near
    return count


def drawn(annotations: list[dict[str, Any]], shape: tuple[int, int]) -> list[np.ndarray]:
    """The masks of annotations as pycocotools draws them."""
    reader = coco.COCO()
    reader.dataset = {
        "images": [{"id": 1, "height": shape[0], "width": shape[1]}],
        "annotations": [{**one, "id": number, "image_id": 1} for number, one in enumerate(annotations, start=1)],
        "categories": [{"id": 1, "name": "foreground"}],
    }
    reader.createIndex()
    return [reader.annToMask(one) for one in reader.loadAnns(reader.getAnnIds())]


@settings(deadline=None, max_examples=300)
@given(MASKS)
def test_pycocotools_draws_the_pixels_of_every_object(mask: np.ndarray) -> None:
    found = list(objects_of(mask, ()))
    assert len(found) == flood_fill_count(mask)
    annotations = [annotated(one, mask.shape) for one in found]
    masks = drawn(annotations, mask.shape)
    total = np.sum(masks, axis=0, dtype=np.int64) if masks else np.zeros(mask.shape, np.int64)
    np.testing.assert_array_equal(total, mask)
    for one, pixels in zip(annotations, masks, strict=True):
        rows, columns = np.nonzero(pixels)
        assert one["area"] == len(rows)
        expected = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
        assert one["bbox"] == expected


def test_an_object_with_a_hole_is_run_lengths_and_one_without_is_polygons() -> None:
    kinds = [type(annotated(one, (20, 30))["segmentation"]) for one in objects_of(ring_with_island(), ())]
    assert kinds == [dict, list, list]


def test_a_folder_is_one_json_that_pycocotools_loads(tmp_path: Path) -> None:
    names = ("Background", "road", "car")
    rng = np.random.default_rng(0)
    masks = [rng.integers(0, 3, (40, 50), dtype=np.uint8), np.zeros((9, 7), np.uint8)]
    write_coco(tmp_path, [MaskOfImage("a.png", masks[0]), MaskOfImage("sub/b.jpg", masks[1])], names)
    found = coco.COCO(str(tmp_path / FILE))
    assert [(one["file_name"], one["height"], one["width"]) for one in found.loadImgs([1, 2])] == [
        ("a.png", 40, 50),
        ("sub/b.jpg", 9, 7),
    ]
    assert [(one["id"], one["name"]) for one in found.loadCats(found.getCatIds())] == [(1, "road"), (2, "car")]
    again = np.zeros((40, 50), np.uint8)
    ids = found.getAnnIds(imgIds=[1])
    for one in found.loadAnns(ids):
        again[found.annToMask(one) == 1] = one["category_id"]
    np.testing.assert_array_equal(again, masks[0])
    assert found.getAnnIds(imgIds=[2]) == [], "an empty mask is an image without annotations"
    assert sorted(ids) == list(range(1, len(ids) + 1))


@settings(deadline=None, max_examples=100)
@given(MASKS)
def test_geojson_encloses_exactly_the_pixels_of_the_mask(mask: np.ndarray) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.geojson"
        write_geojson(file, mask, ())
        collection = json.loads(file.read_text())
    assert collection["type"] == "FeatureCollection"
    assert len(collection["features"]) == flood_fill_count(mask)
    shapes = [shapely.geometry.shape(one["geometry"]) for one in collection["features"]]
    assert all(one.is_valid for one in shapes)
    again = features.rasterize(shapes, mask.shape) if shapes else np.zeros_like(mask)
    np.testing.assert_array_equal(again, mask)
    assert sum(one["properties"]["pixels"] for one in collection["features"]) == mask.sum()
    assert sum(one.area for one in shapes) == mask.sum()


def test_features_have_the_names_of_their_classes_and_their_holes(tmp_path: Path) -> None:
    mask = ring_with_island()
    mask[0, 0] = 2
    write_geojson(tmp_path / "a.geojson", mask, ("background", "road", "car"))
    found = json.loads((tmp_path / "a.geojson").read_text())["features"]
    assert [one["properties"]["class"] for one in found] == ["road", "road", "road", "car"]
    assert [one["geometry"]["type"] for one in found] == ["MultiPolygon", "Polygon", "Polygon", "Polygon"]
    assert len(found[0]["geometry"]["coordinates"][0]) == 2, "an outer ring and a hole"


def test_yolo_draws_the_mask_without_its_holes(tmp_path: Path) -> None:
    mask = ring_with_island()
    assert write_yolo(tmp_path / "a.txt", mask, ()) == 1
    lines = [line.split() for line in (tmp_path / "a.txt").read_text().splitlines()]
    assert [line[0] for line in lines] == ["0"] * 4, "the corner pixel is a line of its own"
    scale = 20
    canvas = Image.new("L", (30 * scale, 20 * scale))
    for line in lines:
        values = np.array(line[1:], float).reshape(-1, 2)
        assert ((values >= 0) & (values <= 1)).all()
        ImageDraw.Draw(canvas).polygon([(x * 30 * scale, y * 20 * scale) for x, y in values.tolist()], fill=1)
    filled = mask.copy()
    filled[5:11, 6:15] = 1
    np.testing.assert_array_equal(np.asarray(canvas)[scale // 2 :: scale, scale // 2 :: scale], filled)


def test_an_empty_mask_is_an_empty_file(tmp_path: Path) -> None:
    assert write_yolo(tmp_path / "a.txt", np.zeros((4, 4), np.uint8), ()) == 0
    assert (tmp_path / "a.txt").read_text() == ""
    write_geojson(tmp_path / "a.geojson", np.zeros((4, 4), np.uint8), ())
    assert json.loads((tmp_path / "a.geojson").read_text()) == {"type": "FeatureCollection", "features": []}


def test_a_class_0_is_an_object_unless_it_is_the_background() -> None:
    assert categories(("sky", "road")) == {0: "sky", 1: "road"}
    assert categories(("background", "road")) == {1: "road"}
    assert categories(()) == {1: "foreground"}


ALL: tuple[writing.Format, ...] = ("coco", "yolo", "geojson")


def refine(predictor: Predictor, photos: Path, out: Path, formats: tuple[writing.Format, ...] = ALL) -> FolderRun:
    run = FolderRun(predictor, FolderJob(photos, out, formats=formats))
    assert all(error is None for _, error in run.refine())
    return run


def masks_in(out: Path) -> dict[str, np.ndarray]:
    found = coco.COCO(str(out / FILE))
    masks = {}
    for image in found.loadImgs(found.getImgIds()):
        masks[image["file_name"]] = np.zeros((image["height"], image["width"]), np.uint8)
        for one in found.loadAnns(found.getAnnIds(imgIds=[image["id"]])):
            masks[image["file_name"]] |= found.annToMask(one)
    return masks


def test_a_run_writes_all_formats_beside_the_masks(predictor: Predictor, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    refine(predictor, photos, out)
    masks = masks_in(out)
    assert list(masks) == ["a.png", "b.png", "more/c.png"]
    for name, mask in masks.items():
        np.testing.assert_array_equal(255 * mask, np.asarray(Image.open(out / "masks" / name)))
        assert (out / "labels" / name).with_suffix(".txt").is_file()
        assert (out / "geojson" / name).with_suffix(".geojson").is_file()
    assert (out / "classes.txt").read_text() == "foreground\n"
    assert not list(out.rglob("*partial*"))


def test_formats_of_a_finished_run_need_no_second_pass(
    predictor: Predictor, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    refine(predictor, photos, out, ())
    assert not (out / FILE).exists()
    monkeypatch.setattr(Predictor, "logits", lambda *_: pytest.fail("refined again"))
    assert refine(predictor, photos, out).pending == {}
    assert len(masks_in(out)) == 3


def test_what_was_written_from_an_older_mask_is_replaced_or_removed(
    predictor: Predictor, photos: Path, tmp_path: Path, scenes: list[np.ndarray]
) -> None:
    out = tmp_path / "out"
    refine(predictor, photos, out)
    before = (out / "labels/a.txt").read_text()
    Image.fromarray(scenes[1]).save(photos / "a.png")
    refine(predictor, photos, out, ("yolo",))
    assert (out / "labels/a.txt").read_text() != before
    assert not (out / FILE).exists(), "it had the older mask"
    assert not (out / "geojson/a.geojson").exists()
    assert (out / "geojson/b.geojson").exists()
    (photos / "b.png").write_bytes(b"no picture")
    list(FolderRun(predictor, FolderJob(photos, out, formats=ALL)).refine())
    assert not (out / "labels/b.txt").exists()
    assert list(masks_in(out)) == ["a.png", "more/c.png"]


def test_an_interrupted_run_ends_with_the_files_of_a_run_without_interruption(
    predictor: Predictor, photos: Path, tmp_path: Path
) -> None:
    refine(predictor, photos, tmp_path / "whole")
    job = FolderJob(photos, tmp_path / "torn", formats=ALL)
    next(FolderRun(predictor, job).refine())
    assert not (tmp_path / "torn" / FILE).exists()
    refine(predictor, photos, tmp_path / "torn")
    assert list(masks_in(tmp_path / "torn")) == list(masks_in(tmp_path / "whole"))
    files = {path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*") if path.is_file()}
    assert {path.relative_to(tmp_path / "torn") for path in (tmp_path / "torn").rglob("*") if path.is_file()} == files


def test_an_export_that_fails_leaves_the_older_file(tmp_path: Path) -> None:
    write_coco(tmp_path, [MaskOfImage("a.png", ring_with_island())], ())
    before = (tmp_path / FILE).read_text()

    def broken() -> Any:
        yield MaskOfImage("a.png", ring_with_island())
        raise UserError("a damaged mask")

    with pytest.raises(UserError, match="a damaged mask"):
        write_coco(tmp_path, broken(), ())
    assert (tmp_path / FILE).read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_filled_holes_are_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    masks = {}
    for name in "ab":
        masks[name] = tmp_path / f"{name}.png"
        Image.fromarray(255 * ring_with_island()).save(masks[name])
    with caplog.at_level(logging.WARNING):
        write_exports(tmp_path, ["yolo"], masks, masks, ())
    assert [record.getMessage() for record in caplog.records] == [
        "YOLO's polygons have no holes: 2 holes are filled in the masks of 2 images. COCO and GeoJSON keep them"
    ]
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        write_exports(tmp_path, ["yolo"], masks, masks, ())
    assert not caplog.records


def test_a_missing_package_is_named_before_anything_is_refined(monkeypatch: pytest.MonkeyPatch) -> None:
    require_packages(ALL)
    monkeypatch.setattr(writing, "find_spec", lambda name: None if name == "pycocotools" else object())
    require_packages(["yolo", "geojson"])
    with pytest.raises(UserError) as caught:
        require_packages(["coco"])
    assert str(caught.value) == (
        "--format coco needs pycocotools, not installed here: pip install 'prn_pipeline[formats]'"
    )


def test_masks_are_refined_without_the_packages_of_other_formats() -> None:
    check = (
        "import sys; import prn_pipeline.serving.folder_run;"
        "print({'rasterio', 'pycocotools', 'shapely'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def geotiffs(folder: Path) -> Path:
    """One image on a map and one that is not, in a folder."""
    rasterio = pytest.importorskip("rasterio")
    folder.mkdir()
    rng = np.random.default_rng(0)
    place = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 500000, 0, -5, 5400000)}
    with rasterio.open(
        folder / "scene.tif", "w", driver="GTiff", height=50, width=70, count=3, dtype="uint8", **place
    ) as file:
        file.write(rng.integers(0, 256, (3, 50, 70), dtype=np.uint8))
    Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(folder / "photo.png")
    return folder


def test_masks_of_geotiff_images_lie_where_their_images_do(predictor: Predictor, tmp_path: Path) -> None:
    import rasterio

    scenes, out = geotiffs(tmp_path / "scenes"), tmp_path / "out"
    refine(predictor, scenes, out)
    mask = np.asarray(Image.open(out / "masks/scene.png"))
    with rasterio.open(scenes / "scene.tif") as image, rasterio.open(out / "geotiff/scene.tif") as written:
        assert (written.crs, written.transform) == (image.crs, image.transform)
        assert written.crs.to_epsg() == 32633
        np.testing.assert_array_equal(written.read(1), mask)
        transform = image.transform
    assert [path.name for path in (out / "geotiff").iterdir()] == ["scene.tif"]
    collection = json.loads((out / "geojson/scene.geojson").read_text())
    assert collection["crs"]["properties"]["name"] == "urn:ogc:def:crs:EPSG::32633"
    shapes = [shapely.geometry.shape(one["geometry"]) for one in collection["features"]]
    assert shapes
    again = features.rasterize(shapes, mask.shape, transform=transform, default_value=255)
    np.testing.assert_array_equal(again, mask)
    assert "crs" not in json.loads((out / "geojson/photo.geojson").read_text())


def test_without_rasterio_masks_of_geotiff_images_are_pictures_and_a_warning_says_so(
    predictor: Predictor, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenes, out = geotiffs(tmp_path / "scenes"), tmp_path / "out"
    monkeypatch.setattr(writing, "find_spec", lambda _: None)
    with caplog.at_level(logging.WARNING):
        refine(predictor, scenes, out, ())
    assert (out / "masks/scene.png").is_file()
    assert not (out / "geotiff").exists()
    assert "1 image is a GeoTIFF file, but masks are written as PNG alone" in caplog.text
    monkeypatch.undo()
    refine(predictor, scenes, out, ())
    assert (out / "geotiff/scene.tif").is_file(), "the next call writes it without refining again"
