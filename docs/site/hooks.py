"""Hooks of MkDocs: what the site has besides the pages in docs/.

These are pages outside docs/, notebooks, the API, and the files that pages link to. Links are read
as a Git host reads them, as paths in the repository.
"""

import base64
import json
import re
from pathlib import Path, PurePosixPath
from posixpath import dirname, normpath, relpath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
OUTSIDE = {
    "README.md": "project/README.md",
    "CONTRIBUTING.md": "project/CONTRIBUTING.md",
    "CHANGELOG.md": "project/CHANGELOG.md",
    "benchmarks/README.md": "project/benchmarks.md",
    "config/README.md": "reference/keys.md",
}
ORIGIN = {uri: path for path, uri in OUTSIDE.items()}
API = [
    "alpha_dimt.library",
    "alpha_dimt.objectives",
    "alpha_dimt.config.proposals",
    "alpha_dimt.results",
]
FENCED = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[([^]]*)\]\(([^)#:\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add pages outside docs/, notebooks, the API, and what pages link to."""
    for path, uri in OUTSIDE.items():
        files.append(File.generated(config, uri, abs_src_path=str(ROOT / path)))
    for module in API:
        content = f"# {module}\n\n::: {module}\n"
        files.append(File.generated(config, f"reference/api/{module}.md", content=content))
    for file in [file for file in files if file.src_uri.endswith(".ipynb")]:
        files.remove(file)
        content = _notebook(Path(file.abs_src_path))
        files.append(File.generated(config, _uri(f"docs/{file.src_uri}"), content=content))
    for page in list(files.documentation_pages()):
        for _, path, _ in LINK.findall(page.content_string):
            target = _target(page.src_uri, path)
            if _is_source(target) and _uri(target) not in files:
                content = _source(target)
                files.append(File.generated(config, _uri(target), content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links to where the site has their targets; quote the titles of code."""
    if page.is_homepage:
        page.meta["hide"] = ["navigation"]
    if page.file.src_uri.startswith("files/"):
        return markdown
    parts = FENCED.split(markdown)
    parts[::2] = [
        LINK.sub(lambda link: _link(*link.groups(default=""), page.file.src_uri), text)
        for text in parts[::2]
    ]
    parts[1::2] = [
        re.sub(r"^(```\w+) title=(\S+\.\S+)$", r'\1 title="\2"', fence, count=1, flags=re.MULTILINE)
        for fence in parts[1::2]
    ]
    return "".join(parts)


def _link(text: str, path: str, anchor: str, page: str) -> str:
    target = _target(page, path)
    if (ROOT / target).is_dir():
        return f"`{target}/`"
    return f"[{text}]({relpath(_uri(target), dirname(page) or '.')}{anchor})"


def _target(page: str, path: str) -> str:
    """Return the path in the repository that a page of the site names by a relative path."""
    origin = ORIGIN.get(page, f"docs/{page}")
    return normpath(f"{dirname(origin)}/{path}".lstrip("/"))


def _uri(path: str) -> str:
    """Return the address within the site of a file of the repository."""
    if path in OUTSIDE:
        return OUTSIDE[path]
    if _is_source(path):
        return f"files/{path}.md"
    inside = PurePosixPath(path).relative_to("docs") if path.startswith("docs/") else path
    return str(inside).replace(".ipynb", ".md")


def _is_source(path: str) -> bool:
    """Return whether a file of the repository is shown as its text."""
    shown = PurePosixPath(path).suffix in {".md", ".ipynb", ".png", ".svg"}
    return (ROOT / path).is_file() and not shown


def _source(path: str) -> str:
    """Return the page of a file of the repository, which the search leaves out."""
    language = PurePosixPath(path).suffix.removeprefix(".").replace("cff", "yaml")
    text = (ROOT / path).read_text(encoding="utf-8")
    head = f"---\nsearch: {{exclude: true}}\n---\n# {path}\n\n"
    return f"{head}````{language or 'text'}\n{text}\n````\n"


def _notebook(path: Path) -> str:
    """Return a notebook with its outputs as Markdown."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join(part for cell in cells for part in _cell(cell))


def _cell(cell: dict[str, Any]) -> list[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return [source]
    outputs = [_output(output) for output in cell["outputs"]]
    return [f"```python\n{source}\n```", *outputs]


def _output(output: dict[str, Any]) -> str:
    """Return a printed text, a table or a chart."""
    data = output.get("data", {})
    if "image/svg+xml" in data:
        image = base64.b64encode("".join(data["image/svg+xml"]).encode()).decode()
        return f"![Chart](data:image/svg+xml;base64,{image})"
    if "text/html" in data:
        table = re.search(r"<table.*</table>", "".join(data["text/html"]), re.DOTALL)
        return table[0].replace(' border="1" class="dataframe"', "")
    text = "".join(output["text"] if output["output_type"] == "stream" else data["text/plain"])
    return f'```{{.text .output title="Output"}}\n{text.rstrip()}\n```'
