"""Writes images and masks as the programs write them whose annotations are read."""

import base64
import csv
import io
import itertools
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
import shapely
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Mask = NDArray[np.bool_]
#: Image -> objects, each a category and its pixels.
Objects = Mapping[str, list[tuple[str, Mask]]]
Images = Mapping[str, NDArray[np.uint8]]
Outlines = Callable[[Mask], list[list[tuple[float, float]]]]


def save_images(folder: Path, images: Images, suffix: str = ".png") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, pixels in images.items():
        Image.fromarray(pixels).save(folder / f"{name}{suffix}")


def outlines(mask: Mask) -> list[list[tuple[float, float]]]:
    """The outer outlines of a mask along the edges of its pixels, each without its last point, which is its first."""
    boxes = []
    for row, values in enumerate(mask):
        column = 0
        for inside, run in itertools.groupby(values.tolist()):
            length = len(list(run))
            if inside:
                boxes.append(shapely.box(column, row, column + length, row + 1))
            column += length
    whole = shapely.union_all(boxes)
    parts = whole.geoms if isinstance(whole, shapely.MultiPolygon) else [whole]
    return [list(part.exterior.coords)[:-1] for part in parts if not part.is_empty]


#: Row and column steps to the neighbours of a pixel, clockwise from the left one.
_AROUND = ((0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1))


def traced(mask: Mask) -> list[list[tuple[float, float]]]:
    """The outer outlines as `cv2.findContours` gives them: the centres of the outermost pixels, by Moore's tracing."""
    parts, count = ndimage.label(mask, np.ones((3, 3)))
    return [_traced(np.pad(parts == number, 1)) for number in range(1, count + 1)]


def _traced(part: Mask) -> list[tuple[float, float]]:
    row, column = np.argwhere(part)[0].tolist()
    before, states, points = 0, set(), []
    while (row, column, before) not in states:
        states.add((row, column, before))
        points.append((column - 1.0, row - 1.0))
        turns = [(before + turn) % 8 for turn in range(8)]
        onward = [turn for turn in turns if part[row + _AROUND[turn][0], column + _AROUND[turn][1]]]
        if not onward:
            break
        last = _AROUND[(onward[0] - 1) % 8]  # the pixel outside that was looked at before
        down, right = _AROUND[onward[0]]
        row, column, before = row + down, column + right, _AROUND.index((last[0] - down, last[1] - right))
    return points * 3 if len(points) < 3 else points  # readers of polygons want three points


def runs(values: list[bool]) -> list[int]:
    """Lengths of runs that are outside and inside by turns, the first one outside."""
    found = [len(list(run)) for _, run in itertools.groupby(values)]
    return [0, *found] if values[0] else found


def pairs(values: list[bool]) -> str:
    """Kaggle's code: first pixel from 1 on, and length, of each run inside."""
    place, found = 1, []
    for inside, run in itertools.groupby(values):
        length = len(list(run))
        if inside:
            found += [place, length]
        place += length
    return " ".join(map(str, found))


def down_columns(mask: Mask) -> list[bool]:
    return mask.T.ravel().tolist()


def coco(code: Callable[[Mask], Any]) -> Callable[[Path, Images, Objects], None]:
    """A writer of COCO JSON whose segmentations are what `code` gives."""

    def write(folder: Path, images: Images, objects: Objects) -> None:
        save_images(folder / "images", images)
        names = sorted({name for ones in objects.values() for name, _ in ones})
        numbered = {name: number for number, name in enumerate(images, 1)}
        shapes = [(numbered[image], one) for image, ones in objects.items() for one in ones]
        content = {
            "info": {},
            "licenses": [],
            "images": [
                {
                    "id": number,
                    "file_name": f"{name}.png",
                    "height": images[name].shape[0],
                    "width": images[name].shape[1],
                }
                for name, number in numbered.items()
            ],
            "annotations": [
                {
                    "id": number,
                    "image_id": image,
                    "category_id": names.index(name) + 1,
                    "segmentation": code(mask),
                    "area": int(mask.sum()),
                    "bbox": [0, 0, 1, 1],
                    "iscrowd": 0,
                }
                for number, (image, (name, mask)) in enumerate(shapes, 1)
            ],
            "categories": [{"id": number, "name": name} for number, name in enumerate(names, 1)],
        }
        (folder / "annotations").mkdir()
        (folder / "annotations/instances.json").write_text(json.dumps(content))

    return write


def compressed(mask: Mask) -> dict[str, Any]:
    from pycocotools import mask as reference

    encoded = reference.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": encoded["size"], "counts": encoded["counts"].decode()}


def uncompressed(mask: Mask) -> dict[str, Any]:
    return {"size": list(mask.shape), "counts": runs(down_columns(mask))}


def traced_polygons(mask: Mask) -> list[list[float]]:
    return [list(itertools.chain(*outline)) for outline in traced(mask)]


def polygons(mask: Mask) -> list[list[float]]:
    return [[value for point in outline for value in point] for outline in outlines(mask)]


def yolo(folder: Path, images: Images, objects: Objects, outlines: Outlines = outlines, digits: int = 8) -> None:
    """As Ultralytics reads: images/, labels/, data.yaml."""
    save_images(folder / "images", images)
    (folder / "labels").mkdir()
    names = sorted({name for ones in objects.values() for name, _ in ones})
    for image, ones in objects.items():
        height, width = images[image].shape[:2]
        lines = [
            f"{names.index(name)} " + " ".join(f"{x / width:.{digits}f} {y / height:.{digits}f}" for x, y in outline)
            for name, mask in ones
            for outline in outlines(mask)
        ]
        (folder / f"labels/{image}.txt").write_text("\n".join(lines))
    listed = "".join(f"  {number}: {name}\n" for number, name in enumerate(names))
    (folder / "data.yaml").write_text(f"path: .\ntrain: images\nval: images\nnames:\n{listed}")


def labelme_shape(label: str, points: list[Any], kind: str, mask: str | None = None) -> dict[str, Any]:
    return {
        "label": label,
        "points": points,
        "group_id": None,
        "description": "",
        "shape_type": kind,
        "flags": {},
        "mask": mask,
    }


def labelme_file(path: Path, image: str, size: tuple[int, int], shapes: list[dict[str, Any]]) -> None:
    content = {
        "version": "5.5.0",
        "flags": {},
        "shapes": shapes,
        "imagePath": image,
        "imageData": None,
        "imageHeight": size[0],
        "imageWidth": size[1],
    }
    path.write_text(json.dumps(content, indent=2))


def labelme(folder: Path, images: Images, objects: Objects) -> None:
    """As LabelMe saves: a JSON file beside each image."""
    save_images(folder, images)
    for image, ones in objects.items():
        shapes = [labelme_shape(name, outline, "polygon") for name, mask in ones for outline in outlines(mask)]
        labelme_file(folder / f"{image}.json", f"{image}.png", images[image].shape[:2], shapes)


def png_in_base64(mask: Mask) -> str:
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def labelme_masks(folder: Path, images: Images, objects: Objects) -> None:
    """As LabelMe saves what its AI tool draws: a mask within the pixels of its box."""
    save_images(folder, images)
    for image, ones in objects.items():
        shapes = []
        for name, mask in ones:
            ((rows, columns),) = ndimage.find_objects(mask.astype(int))
            corners = [[columns.start, rows.start], [columns.stop - 1, rows.stop - 1]]
            shapes.append(labelme_shape(name, corners, "mask", png_in_base64(mask[rows, columns])))
        labelme_file(folder / f"{image}.json", f"{image}.png", images[image].shape[:2], shapes)


def cvat_document(labels: list[str], images: str) -> str:
    listed = "".join(f"<label><name>{label}</name><color>#aa0000</color><type>any</type></label>" for label in labels)
    meta = f"<meta><job><id>7</id><size>3</size><mode>annotation</mode><labels>{listed}</labels></job></meta>"
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n{meta}\n{images}</annotations>'
    )


def cvat(shape: Callable[[str, Mask], str]) -> Callable[[Path, Images, Objects], None]:
    """A writer of CVAT's XML 1.1 for images, whose elements are what `shape` gives."""

    def write(folder: Path, images: Images, objects: Objects) -> None:
        save_images(folder / "images", images)
        labels = sorted({name for ones in objects.values() for name, _ in ones})
        text = ""
        for number, (image, ones) in enumerate(objects.items()):
            height, width = images[image].shape[:2]
            text += f'  <image id="{number}" name={quoteattr(image + ".png")} width="{width}" height="{height}">\n'
            text += "".join(shape(name, mask) for name, mask in ones) + "  </image>\n"
        (folder / "annotations.xml").write_text(cvat_document(labels, text))

    return write


def cvat_polygons(name: str, mask: Mask) -> str:
    return "".join(
        f'    <polygon label={quoteattr(name)} source="manual" occluded="0"'
        f' points="{";".join(f"{x:.2f},{y:.2f}" for x, y in outline)}" z_order="0">\n    </polygon>\n'
        for outline in outlines(mask)
    )


def cvat_mask(name: str, mask: Mask) -> str:
    ((rows, columns),) = ndimage.find_objects(mask.astype(int))
    part = mask[rows, columns]
    code = ", ".join(map(str, runs(part.ravel().tolist())))
    return (
        f'    <mask label={quoteattr(name)} source="semi-auto" occluded="0" rle="{code}" left="{columns.start}"'
        f' top="{rows.start}" width="{part.shape[1]}" height="{part.shape[0]}" z_order="0">\n    </mask>\n'
    )


def kaggle(folder: Path, images: Images, objects: Objects) -> None:
    """As in Kaggle's competitions: a row per object, one without code for an image without objects."""
    save_images(folder / "train_images", images)
    with (folder / "train.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ImageId", "EncodedPixels"])
        for image, ones in objects.items():
            for _, mask in ones or [("", np.zeros((1, 1), bool))]:
                writer.writerow([image, pairs(down_columns(mask))])


def via_regions(ones: list[tuple[str, Mask]]) -> list[dict[str, Any]]:
    return [
        {
            "shape_attributes": {
                "name": "polygon",
                "all_points_x": [x for x, _ in outline],
                "all_points_y": [y for _, y in outline],
            },
            "region_attributes": {"occluded": {}, "type": name},
        }
        for name, mask in ones
        for outline in outlines(mask)
    ]


def via(folder: Path, images: Images, objects: Objects) -> None:
    """As VIA 2 exports annotations as JSON."""
    save_images(folder / "images", images)
    content = {
        f"{name}.png99": {
            "filename": f"{name}.png",
            "size": 99,
            "regions": via_regions(objects[name]),
            "file_attributes": {},
        }
        for name in images
    }
    (folder / "via_export_json.json").write_text(json.dumps(content))


def via_csv(folder: Path, images: Images, objects: Objects) -> None:
    """As VIA 2 exports annotations as CSV."""
    save_images(folder / "images", images)
    with (folder / "via_export_csv.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        shape, said = "region_shape_attributes", "region_attributes"
        writer.writerow(["filename", "file_size", "file_attributes", "region_count", "region_id", shape, said])
        for name in images:
            regions = via_regions(objects[name])
            for number, one in enumerate(regions or [{"shape_attributes": {}, "region_attributes": {}}]):
                shown = (json.dumps(one["shape_attributes"]), json.dumps(one["region_attributes"]))
                writer.writerow([f"{name}.png", 99, "{}", len(regions), number, *shown])


#: Codes of pixels.
OF_PIXELS = {
    "COCO, compressed": coco(compressed),
    "COCO, uncompressed": coco(uncompressed),
    "LabelMe, masks": labelme_masks,
    "CVAT, masks": cvat(cvat_mask),
    "Kaggle": kaggle,
}
#: Outlines, which lose holes.
OF_OUTLINES = {
    "COCO, polygons": coco(polygons),
    "YOLO": yolo,
    "LabelMe": labelme,
    "CVAT, polygons": cvat(cvat_polygons),
    "VIA, JSON": via,
    "VIA, CSV": via_csv,
}
#: Outlines through the outermost pixels, which programs trace; `prn init` recognises them by their diagonals.
TRACED = {"COCO, traced": coco(traced_polygons), "YOLO, traced": partial(yolo, outlines=traced, digits=5)}
