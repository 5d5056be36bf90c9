"""The model that MLflow loads: raw sentences in, detokenised translations out.

MLflow copies this file and the package into the model and runs it from there, so it works where
this package is not installed. Whoever imports this module loads mlflow.
"""

from pathlib import Path
from typing import Any

from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext


class Served(PythonModel):  # type: ignore[misc]
    """A trained run; its artefacts are named as `ModelFiles` names them."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the weights, vocabularies and codes."""
        # Loads PyTorch, which whoever logs a model does without.
        from alpha_dimt.inference.translate import load_translator
        from alpha_dimt.runs.paths import ModelFiles

        files = {name: Path(path) for name, path in context.artifacts.items()}
        self.translator: Any = load_translator(ModelFiles(**files))

    # MLflow reads the signature off the types, and takes a column of a DataFrame for a list.
    def predict(self, context: PythonModelContext, model_input: list[str]) -> list[str]:
        """Translate raw sentences, one translation for each; of a blank one nothing is left."""
        return [found.translation for found in self.translator.translate(model_input)]


set_model(Served())
