"""The model of a run as MLflow lists it (in the tab Models) and loads it."""

import importlib.metadata
import io
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from alpha_dimt.config.pretrained import TOKENISER
from alpha_dimt.tracking.place import Place
from alpha_dimt.tracking.records import Record

# Requirements of translation; the logged model pins the versions that are installed here.
REQUIREMENTS = (
    *("mlflow", "numpy", "pyarrow", "pydantic", "pyyaml", "sacrebleu", "sacremoses"),
    *("regex", "safetensors", "subword-nmt", "torch"),
)
# What loading a pretrained model and its tokeniser takes beyond these.
OF_PRETRAINED = ("sentencepiece", "transformers")
# Parameters of a model, from the tags of its run.
_PARAMETERS = ("system", "objective", "alpha", "tau", "seed")
# Characters that MLflow refuses in the name of a model.
_REFUSED = str.maketrans({**dict.fromkeys("/:.%\"'", "_"), " ": "-"})


def create_model(place: Place, run_id: str, record: Record) -> str:
    """Return the id of the run's model in MLflow, which is created if it is missing."""
    found = models_of(place, run_id)
    if not found:
        tags = record.tags
        place.client.create_logged_model(
            place.experiment_id,
            name=record.name.translate(_REFUSED),
            source_run_id=run_id,
            params={key: tags[key] for key in _PARAMETERS if key in tags},
            tags={key: tags[key] for key in ("system", "seed", "corpus")},
        )
        # Searched for, because a client that misses the answer retries and so creates two models.
        found = models_of(place, run_id)
    for other in found[1:]:
        place.client.delete_logged_model(other.model_id)
    return str(found[0].model_id)


def models_of(place: Place, run_id: str) -> list[Any]:
    """Return the models of a run, the oldest first."""
    found = place.client.search_logged_models(
        [place.experiment_id],
        f"source_run_id = '{run_id}'",
        order_by=[{"field_name": "creation_timestamp", "ascending": True}],
    )
    return list(found)


def fill_model(place: Place, run_id: str, model_id: str, files: Mapping[str, Path]) -> None:
    """Upload the files of a model, and make it an output of its run.

    Args:
        place: where the run is.
        run_id: id of the run in MLflow.
        model_id: id of the model in MLflow.
        files: model files by attribute name of `ModelFiles`.
    """
    with saved_model(files) as folder:
        place.client.log_model_artifacts(model_id, str(folder))
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus

    outputs = place.client.get_run(run_id).outputs.model_outputs
    if model_id not in {output.model_id for output in outputs}:
        place.client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])
    place.client.finalize_logged_model(model_id, LoggedModelStatus.READY)


@contextmanager
def saved_model(files: Mapping[str, Path]) -> Iterator[Path]:
    """Yield a temporary folder that holds a run as a model that MLflow can load.

    It includes the package, since no registry has this version.
    """
    from mlflow.pyfunc import save_model

    with tempfile.TemporaryDirectory() as scratch:
        package = Path(scratch) / "alpha_dimt.zip"
        package.write_bytes(archive(Path(__file__).parents[1]))
        artefacts = {**files, "package": package}
        codes = files.get("codes")
        pretrained = codes is not None and codes.name == TOKENISER
        requirements = [*REQUIREMENTS, *(OF_PRETRAINED if pretrained else ())]
        model = Path(scratch) / "model"
        save_model(
            model,
            python_model=str(Path(__file__).with_name("mlflow_model.py")),
            artifacts={name: path.absolute().as_uri() for name, path in artefacts.items()},
            pip_requirements=[_pinned(name) for name in requirements],
        )
        yield model


@cache
def archive(package: Path) -> bytes:
    """Return the files of a package in one archive that Python can import it from.

    The same files make the same bytes. They are read once, since hundreds of models share them.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as opened:
        for path in sorted(package.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                entry = zipfile.ZipInfo(str(path.relative_to(package.parent)))  # of 1980
                entry.compress_type = zipfile.ZIP_DEFLATED
                opened.writestr(entry, path.read_bytes())
    return packed.getvalue()


@cache
def _pinned(name: str) -> str:
    """Return a requirement pinned to the installed version, without its build suffix (+cpu).

    One that is not installed here, as a run may be logged elsewhere than it was trained, has none.
    """
    try:
        return f"{name}=={importlib.metadata.version(name).partition('+')[0]}"
    except importlib.metadata.PackageNotFoundError:
        return name
