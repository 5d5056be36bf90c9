"""The model that MLflow loads: raw sentences in, detokenised translations out.

MLflow copies this file and an archive of the package into the model and runs it from there, so it
works without an installed `alpha_dimt`. Importing this module imports mlflow.
"""

import sys
from pathlib import Path
from typing import Any

from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext


class Served(PythonModel):  # type: ignore[misc]
    """A trained run; artefacts are the package and, by attribute name, those of `ModelFiles`."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the weights, vocabularies and codes, by the code that the model was logged with."""
        files = {name: Path(path) for name, path in context.artifacts.items()}
        sys.path.insert(0, str(files.pop("package")))
        # Imports PyTorch, which logging a model does not need.
        from alpha_dimt.inference.translate import load_translator
        from alpha_dimt.runs.paths import ModelFiles

        self.translator: Any = load_translator(ModelFiles(**files))

    # MLflow derives the signature from the types; a DataFrame column is accepted as a list.
    def predict(self, context: PythonModelContext, model_input: list[str]) -> list[str]:
        """Translate raw sentences, one translation for each; a blank one stays blank."""
        return [found.translation for found in self.translator.translate(model_input)]


set_model(Served())
