"""What a folder with a pretrained model of Hugging Face holds, read without its library."""

import json
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any

from alpha_dimt.config.base import wrong

SUPPORTED = ("bart", "marian", "t5")
"""`model_type` of the models that can be trained."""

TOKENISER = "tokeniser.zip"
"""The files of a tokeniser in one, in the folders of the corpus and of its runs."""

SAVE = "model.save_pretrained(folder) and tokenizer.save_pretrained(folder) write it"


def read_architecture(folder: Path) -> dict[str, Any]:
    """Return the content of config.json.

    Raises:
        PydanticCustomError: the library is not installed, the file is missing or damaged, or the
            model is not one that can be trained.
    """
    if find_spec("transformers") is None:
        raise wrong("this needs Hugging Face's library; pip install 'alpha-dimt[huggingface]'")
    if not folder.is_dir():
        raise wrong(f"there is no folder {folder}", "path")
    path = folder / "config.json"
    try:
        found = json.loads(path.read_bytes())
        kind = found["model_type"]
    except OSError:
        raise wrong(f"{folder} has no config.json; {SAVE}", "path") from None
    except (ValueError, TypeError, KeyError):
        raise wrong(f"{path} does not describe a model; {SAVE}", "path") from None
    if kind not in SUPPORTED:
        supported = ", ".join(SUPPORTED)
        raise wrong(f"{folder} is a model of type {kind}; these are supported: {supported}", "path")
    return dict(found)


def positions_in(folder: Path) -> int | None:
    """Return how many tokens the model in a folder can read, its frame included.

    None: any number, or the folder has no model that can be trained.
    """
    try:
        found = json.loads((folder / "config.json").read_bytes())
        return found.get("max_position_embeddings") if found["model_type"] in SUPPORTED else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def weights_in(folder: Path) -> int:
    """Return how many numbers the safetensors files of a folder hold, from their headers.

    Raises:
        PydanticCustomError: there are none, or one is damaged.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise wrong(f"{folder} has no weights in safetensors; {SAVE}", "path")
    return sum(map(_numbers_in, files))


def _numbers_in(path: Path) -> int:
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if size > path.stat().st_size:
                raise ValueError("its header is cut off")
            header = json.loads(file.read(size))
        return sum(prod(entry["shape"]) for name, entry in header.items() if name[:2] != "__")
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise wrong(f"{path} cannot be read ({error}); copy it again", "path") from error
