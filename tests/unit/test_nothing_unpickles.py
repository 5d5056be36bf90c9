"""No file that is read can run code: no pickles in any form."""

import ast
from pathlib import Path

MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
# `numpy.load` and `pandas.read_pickle` can unpickle; YAML can make any object unless it is safe.
CALLS = {"torch.load", "torch.save", "np.load", "numpy.load", "yaml.load", "yaml.unsafe_load"}
NAMES = {"read_pickle", "to_pickle", "allow_pickle", "eval", "exec"}


def unsafe(source: str) -> list[str]:
    """Return the calls that could run code from a file."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import():
                found += [alias.name for alias in node.names if alias.name in MODULES]
            case ast.ImportFrom(module=str(module)):
                names = {f"{module}.{alias.name}" for alias in node.names}
                found += sorted(names & CALLS) + ([module] if module in MODULES else [])
            case ast.Attribute() if ast.unparse(node) in CALLS or node.attr in NAMES - {"eval"}:
                found.append(ast.unparse(node))
            case ast.Name(id=name) if name in NAMES:
                found.append(name)
            case ast.keyword(arg=str(name)) if name in NAMES:
                found.append(name)
    return found


def test_nothing_in_the_package_unpickles(repository: Path) -> None:
    files = sorted((repository / "src").rglob("*.py"))
    assert len(files) > 50
    assert {str(file): found for file in files if (found := unsafe(file.read_text()))} == {}


def test_what_is_looked_for_is_found() -> None:
    for line in (
        "import pickle",
        "from pickle import loads",
        "from torch import load",
        "torch.load(path)",
        "np.load(path, allow_pickle=True)",
        "frame = pandas.read_pickle(path)",
        "yaml.load(text)",
        "eval(text)",
    ):
        assert unsafe(line), line
    assert unsafe("model.eval()\nyaml.safe_load(text)\njson.load(file)") == []
