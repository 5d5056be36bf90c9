"""Commands that prepare a corpus."""

from pathlib import Path

import click

from alpha_dimt.cli.group import cli
from alpha_dimt.cli.options import FILE, FOLDER, NEW


@cli.command()
@click.option("--config", type=FILE, required=True, help="Configuration of the data (DataConfig).")
@click.option("--mirror", "mirrors", multiple=True, help="URL prefix or directory; tried in order.")
@click.option("--cache", type=NEW, required=True, help="Folder that keeps downloads.")
@click.option("--out", type=NEW, required=True, help="Folder for {split}.{language}.")
def fetch(config: Path, mirrors: tuple[str, ...], cache: Path, out: Path) -> None:
    """Download or generate a corpus: raw text, one sentence a line."""
    from alpha_dimt.config import DataConfig, load
    from alpha_dimt.data.corpora import write_raw

    write_raw(load(DataConfig, config).corpus, mirrors=mirrors, cache=cache, out=out)


@cli.command()
@click.option("--config", type=FILE, required=True, help="Configuration of the data (DataConfig).")
@click.option("--raw", type=FOLDER, required=True, help="Folder that `fetch` wrote.")
@click.option("--out", type=NEW, required=True, help="Folder for the tokenised text.")
def tokenise(config: Path, raw: Path, out: Path) -> None:
    """Tokenise, lower-case and clean; cut off validation data where the corpus has none."""
    from alpha_dimt.config import DataConfig, load
    from alpha_dimt.data.prepare import tokenise_corpus

    tokenise_corpus(load(DataConfig, config), raw=raw, out=out)


@cli.command()
@click.option("--config", type=FILE, required=True, help="Configuration of the data (DataConfig).")
@click.option("--text", type=FOLDER, required=True, help="Folder that `tokenise` wrote.")
@click.option("--out", type=NEW, required=True, help="Folder for vocabularies and Arrow files.")
def encode(config: Path, text: Path, out: Path) -> None:
    """Build vocabularies (or learn BPE) and encode every split as Arrow."""
    from alpha_dimt.config import DataConfig, load
    from alpha_dimt.data.build_encoded import encode_corpus

    encode_corpus(load(DataConfig, config), text=text, out=out)


@cli.command()
@click.option(
    "--config", type=FILE, required=True, help="Configuration of the candidates (AugmentConfig)."
)
@click.option("--encoded", type=FOLDER, required=True, help="Folder that `encode` wrote.")
@click.option("--out", type=NEW, required=True, help="Arrow file of candidates.")
def augment(config: Path, encoded: Path, out: Path) -> None:
    """Draw candidates from the proposal, with reward and log q0."""
    from alpha_dimt.config import AugmentConfig, load
    from alpha_dimt.data.draw_candidates import augment_corpus

    augment_corpus(load(AugmentConfig, config), encoded=encoded, out=out)
