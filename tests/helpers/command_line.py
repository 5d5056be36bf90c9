"""The command line, called in this process."""

from click.testing import CliRunner

from alpha_dimt.cli import cli


def said(*arguments: str, code: int = 0) -> str:
    """Return what a command printed; its exit code has to be `code`."""
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == code, result.output
    return result.output
