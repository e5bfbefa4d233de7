"""Tables, JSON, text and pictures in the catalog, each written atomically."""

import base64
import json
import logging
from pathlib import Path
from typing import Any, Generic, TypeVar

import pandas as pd
from kedro.io import AbstractDataset
from kedro_datasets._typing import ImagePreview, JSONPreview, TablePreview

from prn_pipeline.comparison.scores_file import read_scores
from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.data.store.json_files import read_json, write_json
from prn_pipeline.data.store.locations import is_complete, is_remote, location
from prn_pipeline.data.store.table_files import read_table, write_table
from prn_pipeline.errors import UserError
from prn_pipeline.layout.addresses import ADDRESS, address, check_address, scores_address
from prn_pipeline.layout.origins import rerun

logger = logging.getLogger(__name__)

In = TypeVar("In")
Out = TypeVar("Out")


class FileDataset(AbstractDataset[In, Out], Generic[In, Out]):
    """A file or a folder, written atomically."""

    #: Whether it is a folder.
    FOLDER = False

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = location(filepath)
        self.metadata = metadata

    def _existing(self) -> Path:
        if not is_complete(self._filepath):
            raise UserError(f"no file {self._filepath}: {rerun(self._filepath)}")
        if not is_remote(self._filepath) and self._filepath.is_dir() != self.FOLDER:
            found, expected = ("file", "folder") if self.FOLDER else ("folder", "file")
            raise UserError(f"{self._filepath} is a {found}, expected a {expected}: {rerun(self._filepath)}")
        return self._filepath

    def _exists(self) -> bool:
        return is_complete(self._filepath)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}


class TableDataset(FileDataset[pd.DataFrame, pd.DataFrame]):
    """A table as .parquet (keeps `attrs`, and its address) or .csv, by suffix; see `table_files`."""

    def save(self, data: pd.DataFrame) -> None:
        """Write the table."""
        stored = data.copy(deep=False)
        stored.attrs = {**data.attrs, **address(self._filepath)}
        write_table(self._filepath, stored)

    def load(self) -> pd.DataFrame:
        """Read the table."""
        table = read_table(self._existing())
        check_address(self._filepath, table.attrs.pop(ADDRESS, None))
        return table

    def preview(self, nrows: int = 20) -> TablePreview:
        """The first rows, for Kedro-Viz."""
        return TablePreview(json.loads(self.load().head(nrows).to_json(orient="split")))


class JsonDataset(FileDataset[dict[str, Any], dict[str, Any]]):
    """A JSON object; a missing or damaged file is read as `default` if that is given."""

    def __init__(
        self, *, filepath: str, default: dict[str, Any] | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        self._default = default

    def save(self, data: dict[str, Any]) -> None:
        """Write the object."""
        write_json(self._filepath, data)

    def load(self) -> dict[str, Any]:
        """Read the object."""
        if self._default is None:
            return read_json(self._existing())
        if not is_complete(self._filepath):
            return dict(self._default)
        try:
            return read_json(self._filepath)
        except UserError as error:
            logger.warning("%s; it is replaced by %s", error, self._default or "an empty object")
            return dict(self._default)

    def preview(self) -> JSONPreview:
        """The object, for Kedro-Viz."""
        return JSONPreview(json.dumps(self.load()))

    def _exists(self) -> bool:
        return self._default is not None or super()._exists()


class ScoresDataset(JsonDataset):
    """The scores JSON of a run; read with its schema, and only at the place of its run."""

    def load(self) -> dict[str, Any]:
        """Read the scores."""
        scores = read_scores(self._existing())
        check_address(self._filepath, scores_address(scores))
        return scores


class TextDataset(FileDataset[str, str]):
    """A text file such as an HTML page, UTF-8."""

    def save(self, data: str) -> None:
        """Write the text."""
        with atomic_write(self._filepath) as temporary:
            temporary.write_text(data, encoding="utf-8")

    def load(self) -> str:
        """Read the text."""
        try:
            return self._existing().read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise UserError(f"{self._filepath} is damaged ({error}): {rerun(self._filepath)}") from error


class PictureDataset(FileDataset[bytes, bytes]):
    """A picture, as the bytes of its file."""

    def save(self, data: bytes) -> None:
        """Write the picture."""
        with atomic_write(self._filepath) as temporary:
            temporary.write_bytes(data)

    def load(self) -> bytes:
        """Read the picture."""
        return self._existing().read_bytes()

    def preview(self) -> ImagePreview:
        """The picture, for Kedro-Viz."""
        return ImagePreview(base64.b64encode(self.load()).decode("ascii"))


class FiguresDataset(FileDataset[dict[str, bytes], dict[str, bytes]]):
    """A folder of PNG files: name without extension -> encoded picture."""

    FOLDER = True

    def save(self, data: dict[str, bytes]) -> None:
        """Replace the folder by one with these pictures."""
        with atomic_write(self._filepath) as temporary:
            temporary.mkdir()
            for name, picture in data.items():
                (temporary / f"{name}.png").write_bytes(picture)

    def load(self) -> dict[str, bytes]:
        """Read all pictures."""
        return {file.stem: file.read_bytes() for file in sorted(self._existing().glob("*.png"))}

    def preview(self) -> ImagePreview:
        """The first picture, for Kedro-Viz."""
        return ImagePreview(base64.b64encode(next(iter(self.load().values()))).decode("ascii"))
