"""What annotation files may say, and what is refused with the place and the remedy."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from prn_pipeline.data.ingestion import inspect
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.readers.records import Reader
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError
from tests.unit.data.annotation_writers import cvat_document, labelme_file, labelme_shape, png_in_base64

SIZE = (12, 20)
SQUARE = [[2, 3, 8, 3, 8, 7, 2, 7]]
OTHER = [[5, 5, 15, 5, 15, 10, 5, 10]]


def picture(path: Path, size: tuple[int, int] = SIZE, orientation: int | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.full((*size, 3), 90, np.uint8))
    exif = Image.Exif()
    if orientation:
        exif[274] = orientation
    image.save(path, exif=exif)


def reader(root: Path, format: str, *files: str, task: str = "binary", **keys: Any) -> Reader:
    shared = {key: keys.pop(key) for key in ("classes", "images", "split") if key in keys}
    annotations = {"format": format, "files": files, **keys}
    settings = DatasetSettings.model_validate({"task": task, "annotations": annotations, **shared})
    return make_reader("cells", settings, root)


def masks(found: Reader) -> dict[str, NDArray[np.uint8]]:
    return {record.sample_id: found.mask(record) for record in found.records()}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data root with one image, cells/images/a.png."""
    picture(tmp_path / "cells/images/a.png")
    return tmp_path


def square(value: int = 1, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    mask = np.zeros(size, np.uint8)
    mask[3:7, 2:8] = value
    return mask


# COCO


def coco(root: Path, *annotations: dict[str, Any], image: dict[str, Any] | None = None, **keys: Any) -> Reader:
    """A reader of one COCO file with an image and these annotations."""
    content = {
        "images": [{"id": 7, "file_name": "a.png", "height": SIZE[0], "width": SIZE[1]} | (image or {})],
        "annotations": [
            {"id": number, "image_id": 7, "category_id": 1, "iscrowd": 0, "bbox": [2, 3, 6, 4]} | one
            for number, one in enumerate(annotations, 1)
        ],
        "categories": [{"id": 1, "name": "cell"}, {"id": 4, "name": "dust"}],
    }
    (root / "cells/instances.json").write_text(json.dumps(content))
    return reader(root, "coco", "instances.json", **keys)


def test_an_image_without_annotations_shows_nothing(root: Path) -> None:
    assert not masks(coco(root))["a"].any()


def test_several_polygons_are_one_object(root: Path) -> None:
    found = masks(coco(root, {"segmentation": SQUARE + OTHER}))["a"]
    expected = square()
    expected[5:10, 5:15] = 1
    np.testing.assert_array_equal(found, expected)


def test_crowds_are_ignored_where_no_object_covers_them(root: Path) -> None:
    crowd = {"segmentation": {"size": SIZE, "counts": [0, 24, SIZE[0] * SIZE[1] - 24]}, "iscrowd": 1}
    cell = {"segmentation": [[0, 0, 1, 0, 1, 5, 0, 5]]}
    found = masks(coco(root, cell, crowd, crowd="ignore"))["a"]
    assert (found[:5, 0] == 1).all()
    assert (found == 255).sum() == 24 - 5
    assert masks(coco(root, crowd, crowd="foreground"))["a"].sum() == 24


def test_many_crowds_may_be_painted_objects_and_are_asked_about(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    crowd = {"segmentation": {"size": SIZE, "counts": [0, 24, SIZE[0] * SIZE[1] - 24]}, "iscrowd": 1}
    cell = {"segmentation": [[0, 0, 1, 0, 1, 5, 0, 5]]}
    with pytest.raises(
        UserError, match=r"3 % of the annotations are marked as crowds .* `annotations: {crowd: foregro"
    ):
        masks(coco(root, *[cell] * 30, crowd))
    found = masks(coco(root, *[cell] * 99, crowd))["a"]
    assert (found == 255).sum() == 24 - 5
    assert "1.0 % of the annotations are marked as crowds (iscrowd: 1), and their pixels do not count" in caplog.text


def test_later_categories_lie_on_earlier_ones(root: Path) -> None:
    shapes = {"segmentation": SQUARE}, {"segmentation": OTHER, "category_id": 4}
    found = masks(coco(root, *shapes, task="multiclass", classes=["nothing", "cell", "dust"]))["a"]
    assert (found[3, 2], found[5, 5], found[9, 14], found[0, 0]) == (1, 2, 2, 0)
    assert masks(coco(root, *shapes, categories=["dust"]))["a"].sum() == 50


def test_a_category_that_is_no_class_is_background_and_said(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = coco(root, {"segmentation": SQUARE}, task="multiclass", classes=["nothing", "dust"])
    assert not masks(found)["a"].any()
    assert "shapes of cell count as background" in caplog.text


@pytest.mark.parametrize("segmentation", [[], None, {}])
def test_a_box_is_no_mask(segmentation: object, root: Path) -> None:
    with pytest.raises(UserError, match=r"instances\.json: annotation 1 of a\.png: it has a box, but no segmentation"):
        masks(coco(root, {"segmentation": segmentation}))


def test_of_many_bad_annotations_each_image_is_named(root: Path) -> None:
    found = coco(root, {"segmentation": []})
    with pytest.raises(UserError, match=r"1 of 1 samples cannot be used:\n- .*annotation 1 of a\.png"):
        inspect("cells", found.settings, found)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        ({"segmentation": [[2, 3, 8, 3, 8]]}, "no list of polygons"),
        ({"segmentation": [["a", 3, 8, 3, 8, 4]]}, "no list of polygons"),
        ({"segmentation": [{"x": 1}]}, "no list of polygons"),
        ({"segmentation": "abc"}, "is a str, expected polygons"),
        ({"segmentation": [[2, 3, 8, 3]]}, "an outline of 2 points"),
        ({"segmentation": [[200, 300, 800, 300, 800, 700]]}, "lies outside the image of 20 x 12 pixels"),
        ({"segmentation": [[2, 3, 1e308, 3, 8, 7]]}, "lies outside the image"),
        ({"segmentation": {"size": [20, 12], "counts": [240]}}, r"of size \[20, 12\], its image \[12, 20\]"),
        ({"segmentation": {"size": [10**9, 10**9], "counts": [10**18]}}, "its run-length code is of size"),
        ({"segmentation": {"size": [12, 20], "counts": [240, 1]}}, "of 241 pixels, expected 240"),
        ({"segmentation": {"size": [12, 20], "counts": "\x7f\x7f"}}, "compressed run-length code that is damaged"),
        ({"segmentation": {"size": [12, 20], "counts": None}}, "something else than whole numbers"),
        ({"image_id": 8}, "the image_id 8, which 'images' does not list"),
        ({"category_id": 2}, "the category_id 2, which 'categories' does not list"),
        ({"image_id": [7]}, "It is not COCO's format of instances"),
    ],
)
def test_wrong_annotations_are_refused(annotation: dict[str, Any], message: str, root: Path) -> None:
    with pytest.raises(UserError, match=message) as caught:
        masks(coco(root, {"segmentation": SQUARE} | annotation))
    assert "instances.json" in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 100_000, "[]", '{"images": 3}', '{"images": [1], "annotations": []}', "\xff"]
)
def test_files_that_are_no_coco_are_refused(text: str, root: Path) -> None:
    (root / "cells/instances.json").write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match=r"instances\.json"):
        masks(reader(root, "coco", "instances.json"))


@pytest.mark.parametrize(
    ("key", "entries", "message"),
    [
        ("categories", [{"id": 1, "name": "cell"}, {"id": 1, "name": "dust"}], "one category id stands for several"),
        ("images", [{"id": 7, "file_name": "a.png"}, {"id": 7, "file_name": "b.png"}], "one image id stands for"),
        ("images", [{"id": 7, "file_name": None}], "the image with the id 7 has no file name"),
        ("images", [{"id": 7, "file_name": ""}], "the image with the id 7 has no file name"),
        ("images", [{"id": 7}], "lacks the key 'file_name'"),
        ("images", ["a.png"], "is no object"),
        ("images", [{"id": [7], "file_name": "a.png"}], "an id that is none"),
    ],
)
def test_entries_that_name_nothing_or_two_things_are_refused(
    key: str, entries: list[Any], message: str, root: Path
) -> None:
    made = coco(root, {"segmentation": SQUARE})
    file = root / "cells/instances.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {key: entries}))
    with pytest.raises(UserError, match=message):
        masks(made)


def test_an_image_of_cvat_without_a_name_is_refused(root: Path) -> None:
    made = cvat(root, "")
    file = root / "cells/annotations.xml"
    file.write_text(file.read_text().replace(' name="a.png"', ""))
    with pytest.raises(UserError, match=r"annotations\.xml: <image> \d+ has no name"):
        masks(made)


def test_another_size_of_the_image_is_refused(root: Path) -> None:
    with pytest.raises(UserError, match=r"a\.png is 24 x 40 pixels there .* but .*a\.png is 12 x 20"):
        masks(coco(root, {"segmentation": SQUARE}, image={"height": 24, "width": 40}))


@pytest.mark.parametrize(
    "name", ["images/a.png", "train2017/a.png", "a.jpg", "a", r"C:\data\a.png", "../images/./a.png"]
)
def test_an_image_is_found_by_the_end_of_its_path(name: str, root: Path) -> None:
    np.testing.assert_array_equal(masks(coco(root, {"segmentation": SQUARE}, image={"file_name": name}))["a"], square())


def test_folders_tell_images_of_one_name_apart(root: Path) -> None:
    picture(root / "cells/images/one/b.png")
    picture(root / "cells/images/two/b.png")
    found = coco(root, {"segmentation": SQUARE}, image={"file_name": "two/b.png"}, images="images/*/*.png")
    assert list(masks(found)) == ["b"]
    assert found.records()[0].image_path == Path("cells/images/two/b.png")
    with pytest.raises(UserError, match=r"the image b\.png may be images/one/b\.png and images/two/b\.png"):
        masks(coco(root, image={"file_name": "b.png"}, images="images/*/*.png"))


def test_missing_images_are_refused_or_left_out(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(UserError, match=r"1 of 1 annotated images are not among the 1 of `images`: z\.png"):
        coco(root, image={"file_name": "z.png"}).records()
    (root / "cells/more.json").write_text((root / "cells/instances.json").read_text())
    coco(root, {"segmentation": SQUARE})
    found = reader(root, "coco", "*.json", missing="leave_out")
    assert list(masks(found)) == ["a"]
    assert "1 annotated image missing: left out (z.png)" in caplog.text


def test_unlisted_images_are_left_out_or_background(root: Path) -> None:
    picture(root / "cells/images/b.png")
    assert list(masks(coco(root, {"segmentation": SQUARE}))) == ["a"]
    found = masks(coco(root, {"segmentation": SQUARE}, unlisted="background"))
    assert not found["b"].any()
    assert found["a"].any()


def test_two_files_about_one_image_are_refused(root: Path) -> None:
    coco(root, {"segmentation": SQUARE})
    (root / "cells/again.json").write_text((root / "cells/instances.json").read_text())
    with pytest.raises(UserError, match=r"are both about the image images/a\.png"):
        reader(root, "coco", "*.json").records()


@pytest.mark.parametrize("drawn_on", ["shown", "stored"])
def test_shapes_are_drawn_on_the_picture_whose_size_they_have(drawn_on: str, root: Path) -> None:
    """A camera that was held upright stores 12 x 20 pixels, and says that the first row is the right side."""
    path = root / "cells/images/a.png"
    picture(path, orientation=6)
    if drawn_on == "shown":
        found = coco(root, {"segmentation": SQUARE}, image={"height": 20, "width": 12})
        expected = square(size=(20, 12))
    else:
        found = coco(root, {"segmentation": SQUARE})
        expected = np.rot90(square(), -1)
    sample = found.examine(found.records()[0])
    assert sample.image.shape[:2] == (20, 12)
    np.testing.assert_array_equal(sample.mask, expected)
    assert sample.mask_facts.orientation == (1 if drawn_on == "shown" else 6)


# YOLO


def yolo(root: Path, text: str, **keys: Any) -> Reader:
    (root / "cells/labels").mkdir(exist_ok=True)
    (root / "cells/labels/a.txt").write_text(text)
    return reader(root, "yolo", "labels", **keys)


LINE = "0 0.1 0.25 0.4 0.25 0.4 0.58333333 0.1 0.58333333\n"


def test_coordinates_of_yolo_are_shares_of_the_image(root: Path) -> None:
    np.testing.assert_array_equal(masks(yolo(root, LINE))["a"], square())


def test_an_empty_file_of_yolo_says_that_there_is_nothing(root: Path) -> None:
    assert not masks(yolo(root, ""))["a"].any()


@pytest.mark.parametrize(
    "text", ["names: [cell, dust]\n", "names: {1: dust, 0: cell}\n", "names:\n  0: cell\n  1: dust\nnc: 2\n"]
)
def test_names_of_yolo_stand_beside_the_labels(text: str, root: Path) -> None:
    (root / "cells/data.yaml").write_text(text)
    labels = LINE + "1 0.5 0.5 0.9 0.5 0.9 0.9\n"
    found = masks(yolo(root, labels, names="data.yaml", categories=["cell"]))
    np.testing.assert_array_equal(found["a"], square())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 0.5 0.5 0.2 0.2\n", "line 1 of images/a: a box"),
        (LINE + "0 0.1 0.2 0.3\n", "line 2 of images/a: 3 numbers behind the category"),
        ("0 2 3 8 3 8 7\n", "the coordinate 8, expected shares"),
        ("0 0.1 0.1 1.2 0.1 0.2 0.2\n", "lies outside the image"),
        ("0 a 0.1 0.2 0.1 0.2 0.2\n", "not numbers: '0 a"),
        ("0 nan 0.1 0.2 0.1 0.2 0.2\n", "lies outside the image"),
        ("x 0.1 0.1 0.2 0.1 0.2 0.2\n", "begins with 'x', expected the number of a category"),
        ("2 0.1 0.1 0.2 0.1 0.2 0.2\n", "begins with '2', expected the number of a category: 0 to 1"),
        ("9" * 5000 + " 0.1 0.1 0.2 0.1 0.2 0.2\n", "expected the number of a category"),
    ],
)
def test_wrong_lines_of_yolo_are_refused(text: str, message: str, root: Path) -> None:
    (root / "cells/classes.txt").write_text("cell\ndust\n")
    with pytest.raises(UserError, match=message) as caught:
        masks(yolo(root, text, names="classes.txt"))
    assert "labels/a.txt" in str(caught.value)


@pytest.mark.parametrize("text", ["", "names: 3\n", "names: {a: b}\n", "[", "a: &a [*a]\n", "nc: 2\n"])
def test_names_that_are_none_are_refused(text: str, root: Path) -> None:
    (root / "cells/data.yaml").write_text(text)
    with pytest.raises(UserError, match=r"data\.yaml: (no names of categories|not YAML)"):
        masks(yolo(root, LINE, names="data.yaml"))


# LabelMe


def labelme(root: Path, *shapes: dict[str, Any], size: tuple[int, int] = SIZE, image: str = "a.png") -> Reader:
    labelme_file(root / "cells/images/a.json", image, size, list(shapes))
    return reader(root, "labelme", "images")


def test_a_rectangle_a_circle_and_a_mask_of_labelme(root: Path) -> None:
    found = labelme(
        root,
        labelme_shape("cell", [[2, 3], [8, 7]], "rectangle"),
        labelme_shape("cell", [[14.5, 6.5], [14.5, 8.6]], "circle"),
        labelme_shape("cell", [[0, 10], [3, 11]], "mask", png_in_base64(np.ones((2, 4), bool))),
    )
    expected = square()
    rows, columns = np.mgrid[:12, :20]
    expected[(rows - 6) ** 2 + (columns - 14) ** 2 <= 2.1**2] = 1
    expected[10:12, 0:4] = 1
    np.testing.assert_array_equal(masks(found)["a"], expected)


def test_the_image_of_labelme_may_have_moved(root: Path) -> None:
    shape = labelme_shape("cell", [[2, 3], [8, 3], [8, 7], [2, 7]], "polygon")
    np.testing.assert_array_equal(masks(labelme(root, shape, image="..\\old\\other name.jpg"))["a"], square())


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (
            labelme_shape("cell", [[2, 3], [8, 7]], "line"),
            r"shape 1 \('cell'\) of a\.png: a line of 2 points has no area",
        ),
        (labelme_shape("cell", [[2, 3]], "point"), "a point of 1 points has no area"),
        (labelme_shape("cell", [[2, 3], [8, 7], [1, 1]], "rectangle"), "a rectangle of 3 points"),
        (labelme_shape("cell", [[2, "x"], [8, 7]], "rectangle"), "no pairs of numbers"),
        (labelme_shape("cell", [[2, 3], [8, 7]], "mask", "%%%"), "no PNG of the size of its box"),
        (labelme_shape("cell", [[2, 3], [8, 7]], "mask", None), "no PNG of the size of its box"),
        (labelme_shape("cell", [[2, 3], [4, 4]], "mask", png_in_base64(np.ones((9, 9), bool))), r"of \(9, 9\) pixels"),
        (
            labelme_shape("cell", [[18, 3], [21, 3]], "mask", png_in_base64(np.ones((1, 4), bool))),
            "are not within the image",
        ),
        ({"label": "cell"}, "without a list of points"),
        ({"points": [[2, 3], [8, 3], [8, 7]]}, "shape 1 has no label"),
    ],
)
def test_wrong_shapes_of_labelme_are_refused(shape: dict[str, Any], message: str, root: Path) -> None:
    with pytest.raises(UserError, match=message) as caught:
        masks(labelme(root, shape))
    assert "images/a.json" in str(caught.value)


def test_labelme_states_the_size_of_the_image(root: Path) -> None:
    with pytest.raises(UserError, match="is 6 x 10 pixels there"):
        masks(labelme(root, labelme_shape("cell", [[2, 3], [8, 3], [8, 7]], "polygon"), size=(6, 10)))


# CVAT


def cvat(root: Path, shapes: str, before: str = "", **keys: Any) -> Reader:
    image = f'<image id="0" name="a.png" width="20" height="12">{shapes}</image>'
    (root / "cells/annotations.xml").write_text(before + cvat_document(["cell", "dust"], image).partition("\n")[2])
    return reader(root, "cvat", "annotations.xml", **keys)


def test_a_box_an_ellipse_and_the_order_of_cvat(root: Path) -> None:
    shapes = (
        '<box label="cell" xtl="2" ytl="3" xbr="8" ybr="7" z_order="1"></box>'
        '<ellipse label="dust" cx="8.5" cy="6.5" rx="3.1" ry="2.1" z_order="0"><attribute name="x">1</attribute>'
        "</ellipse>"
        '<tag label="dust" source="manual"></tag>'
    )
    found = masks(cvat(root, shapes, task="multiclass", classes=["nothing", "cell", "dust"]))["a"]
    rows, columns = np.mgrid[:12, :20]
    expected = np.zeros(SIZE, np.uint8)
    expected[((rows - 6) / 2.1) ** 2 + ((columns - 8) / 3.1) ** 2 <= 1] = 2
    expected[3:7, 2:8] = 1
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (
            '<polyline label="cell" points="1,1;2,2"></polyline>',
            r"shape 1 \(<polyline> 'cell'\) of a\.png: a polyline has no",
        ),
        ('<polygon label="cell" points="1,1;2"></polygon>', "no pairs 'x,y;x,y'"),
        ('<polygon label="cell"></polygon>', "no pairs 'x,y;x,y'"),
        ('<box label="cell" xtl="a" ytl="3" xbr="8" ybr="7"></box>', "its xtl is 'a', expected a number"),
        ('<mask label="cell" rle="1, 2" left="0" top="0" width="2" height="2"></mask>', "of 3 pixels, expected 4"),
        ('<mask label="cell" rle="4" left="19" top="0" width="2" height="2"></mask>', "not within the image"),
        ('<mask label="cell" rle="4" left="0" top="0" width="99999999999" height="2"></mask>', "not within the image"),
        (
            '<mask label="cell" rle="4" left="0" top="0" height="2"></mask>',
            "it has the width '', expected a whole number",
        ),
        ('<polygon points="1,1;9,1;9,9"></polygon>', r"a <polygon> of a\.png has no label"),
        ("<box", "not XML"),
    ],
)
def test_wrong_shapes_of_cvat_are_refused(shapes: str, message: str, root: Path) -> None:
    with pytest.raises(UserError, match=message) as caught:
        masks(cvat(root, shapes))
    assert "annotations.xml" in str(caught.value)


def test_entities_of_xml_are_never_expanded(root: Path) -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "x" * 10}">' for n in range(9))
    with pytest.raises(UserError, match=r"annotations\.xml: a document type declaration"):
        masks(cvat(root, "&e8;", before=f"<!DOCTYPE annotations [{entities}]>"))


def test_tracks_and_other_xml_are_refused(root: Path) -> None:
    with pytest.raises(UserError, match="tracks of a video"):
        masks(cvat(root, '</image><track id="0" label="cell"></track><image name="b" width="1" height="1">'))
    (root / "cells/annotations.xml").write_text("<annotation><bndbox></bndbox></annotation>")
    with pytest.raises(UserError, match="its root is <annotation>, expected <annotations>"):
        masks(reader(root, "cvat", "annotations.xml"))


# Tables of run-length codes


def table(root: Path, text: str, **keys: Any) -> Reader:
    (root / "cells/train.csv").write_text(text)
    return reader(root, "run_lengths", "train.csv", **keys)


CODE = "28 4 40 4 52 4 64 4 76 4 88 4"


@pytest.mark.parametrize(
    "text",
    [
        f"ImageId,EncodedPixels\na.png,{CODE}\n",
        f"image_id,rle\na,{CODE}\n",
        "ImageId,EncodedPixels\na.png,28 4 40 4\na.png,52 4 64 4 76 4 88 4\n",
        f'id;class;segmentation\na;cell;"{CODE}"\n',
        f"Image_Label,EncodedPixels\na.png_Fish,{CODE}\na.png_Sugar,\n",
        f"ImageId,ClassId,EncodedPixels\na.png,3,{CODE}\n",
        f"id,width,height,annotation\na,20,12,{CODE}\n",
    ],
)
def test_columns_of_tables_have_many_names(text: str, root: Path) -> None:
    np.testing.assert_array_equal(masks(table(root, text))["a"], square())


@pytest.mark.parametrize("code", ["", "-1", "nan"])
def test_a_row_without_a_code_says_that_there_is_nothing(code: str, root: Path) -> None:
    assert not masks(table(root, f"ImageId,EncodedPixels\na.png,{code}\n"))["a"].any()


def test_classes_of_tables_are_categories(root: Path) -> None:
    text = f"ImageId,ClassId,EncodedPixels\na.png,3,{CODE}\na.png,4,1 2\n"
    assert masks(table(root, text, categories=["4"]))["a"].sum() == 2


def test_pixels_may_be_counted_along_rows(root: Path) -> None:
    found = masks(table(root, "id,rle\na,63 6 83 6 103 6 123 6\n", by_row=True))
    np.testing.assert_array_equal(found["a"], square())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ImageId,EncodedPixels\na.png,0 4\n", r"row 2 of a\.png: the run '0 4' is not within"),
        ("ImageId,EncodedPixels\na.png,240 2\n", "the run '240 2' is not within 20 x 12"),
        ("ImageId,EncodedPixels\na.png,1 2 3\n", "of 3 numbers, expected pairs"),
        ("ImageId,EncodedPixels\na.png,x y\n", "something else than whole numbers"),
        ("name,colour\na.png,1 2\n", "the columns 'name', 'colour', expected one of images"),
        ("ImageId,EncodedPixels\na.png,1 2\nb.png\n", r"row 3 \('b\.png'\) is cut off.*an empty code: ','"),
        ("EncodedPixels,ImageId\n1 2,a.png\n1 2", r"row 3 \('1 2'\) is cut off"),
        ("", "not a readable CSV table"),
    ],
)
def test_wrong_tables_are_refused(text: str, message: str, root: Path) -> None:
    with pytest.raises(UserError, match=message) as caught:
        masks(table(root, text))
    assert "train.csv" in str(caught.value)


# Settings


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"mask": {"threshold": 1}}, "there are no mask pictures: remove mask"),
        ({"masks": "gt", "pairing": {"by": "regex", "image": "(a)", "mask": "(a)"}}, "remove masks, pairing"),
        (
            {"task": "multiclass", "classes": ["a", "b"], "annotations": {"categories": ["b"]}},
            "remove `annotations.cat",
        ),
        ({"annotations": {"format": "voc"}}, "'coco', 'yolo', 'labelme', 'cvat', 'via', 'via_csv' or 'run_lengths'"),
        ({"annotations": {"files": []}}, "at least 1 item"),
        ({"annotations": {"files": ["../x.json"]}}, "must be a path below the data root"),
        ({"reader": "synthetic"}, "reads no files; remove annotations"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(keys: dict[str, Any], message: str) -> None:
    annotations = {"format": "coco", "files": ["a.json"]} | keys.pop("annotations", {})
    with pytest.raises(ValueError, match=message):
        DatasetSettings.model_validate({"annotations": annotations, **keys})


def test_settings_without_annotations_keep_their_digest() -> None:
    assert "annotations" not in DatasetSettings().model_dump()


def test_no_file_of_the_pattern_is_refused(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with pytest.raises(UserError, match=r"cells/images: no \.json files\. Put the annotations there"):
        reader(root, "coco", "images").records()
    assert caplog.text == ""


# VIA


def via_file(path: Path, regions: Any) -> None:
    path.write_text(json.dumps({"a.png7": {"filename": "a.png", "size": 7, "regions": regions}}))


def via_polygon(**said: Any) -> dict[str, Any]:
    outline = {"name": "polygon", "all_points_x": [2, 8, 8, 2], "all_points_y": [3, 3, 7, 7]}
    return {"shape_attributes": outline, "region_attributes": said}


@pytest.mark.parametrize(
    "shape",
    [
        {"name": "rect", "x": 2, "y": 3, "width": 6, "height": 4},
        via_polygon()["shape_attributes"],
    ],
)
def test_rectangles_and_polygons_of_via_are_filled(shape: dict[str, Any], root: Path) -> None:
    via_file(root / "cells/via.json", {"0": {"shape_attributes": shape, "region_attributes": {}}})  # as version 1
    np.testing.assert_array_equal(masks(reader(root, "via", "via.json"))["a"], square())


def test_ellipses_of_via_turn_clockwise_by_radians(root: Path) -> None:
    turned = {"name": "ellipse", "cx": 10, "cy": 6, "rx": 2, "ry": 5, "theta": np.pi / 2}
    via_file(root / "cells/via.json", [{"shape_attributes": turned}])
    mask = masks(reader(root, "via", "via.json"))["a"]
    rows, columns = np.nonzero(mask)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 7, 5, 14)
    via_file(root / "cells/via.json", [{"shape_attributes": {"name": "circle", "cx": 10, "cy": 6, "r": 3}}])
    assert masks(reader(root, "via", "via.json"))["a"].sum() == pytest.approx(np.pi * 9, rel=0.2)


def test_projects_of_via_are_read_as_their_exports(root: Path) -> None:
    entry = {"a.png7": {"filename": "a.png", "size": 7, "regions": [via_polygon()], "file_attributes": {}}}
    content = {"_via_settings": {"ui": {}}, "_via_img_metadata": entry, "_via_attributes": {}}
    (root / "cells/project.json").write_text(json.dumps(content))
    np.testing.assert_array_equal(masks(reader(root, "via", "project.json"))["a"], square())


@pytest.mark.parametrize(
    "said", [{"colour": "red", "Class": "cell"}, {"class": {"cell": True, "dust": False}}, {"class": " cell "}]
)
def test_the_attribute_with_the_usual_name_is_the_category(said: dict[str, Any], root: Path) -> None:
    via_file(root / "cells/via.json", [via_polygon(colour="red"), via_polygon(**said)])
    assert masks(reader(root, "via", "via.json", categories=["cell"]))["a"].sum() == 24
    with pytest.raises(UserError, match="unknown category 'red'"):
        reader(root, "via", "via.json", categories=["red"]).records()


@pytest.mark.parametrize(
    ("regions", "message"),
    [
        (
            [{"shape_attributes": {"name": "point", "cx": 3, "cy": 3}}],
            r"region 1 \('object'\) of a.png: a point has no area",
        ),
        ([{"shape_attributes": {"name": "polygon", "all_points_x": [1, 2]}}], "a polygon whose numbers are missing"),
        (
            [{"shape_attributes": {"name": "rect", "x": 1, "y": "?", "width": 2, "height": 2}}],
            "numbers are missing or are",
        ),
        ([{"region_attributes": {}}], "region 1 of a.png without 'shape_attributes'. Export"),
        (None, "an image without 'filename' or 'regions'"),
    ],
)
def test_regions_of_via_that_are_no_area_are_refused(regions: Any, message: str, root: Path) -> None:
    via_file(root / "cells/via.json", regions)
    with pytest.raises(UserError, match=message):
        masks(reader(root, "via", "via.json"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("filename,region_attributes\na.png,{}\n", "no column 'region_shape_attributes'"),
        ("filename,region_shape_attributes,region_attributes\na.png,{oops,{}\n", "line 2: Expecting property name"),
        ("filename,region_shape_attributes,region_attributes\n,{},{}\n", "line 2: no 'filename'"),
        ("filename,region_shape_attributes,region_attributes\na.png,[1],{}\n", "region 1 of a.png without"),
    ],
)
def test_damaged_tables_of_via_are_refused(text: str, message: str, root: Path) -> None:
    (root / "cells/via.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        masks(reader(root, "via_csv", "via.csv"))
