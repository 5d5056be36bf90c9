"""`alpha-dimt` and `python -m alpha_dimt`: the command line; the workflow calls it this way."""

import sys


def main() -> None:
    """Run the command line, or say what it needs that is not installed."""
    try:
        from alpha_dimt.cli import main as run
    except ModuleNotFoundError as error:
        sys.exit(
            f"Error: the command line needs {error.name}, which is not installed; run "
            "pip install 'alpha-dimt[workflow]'"
        )
    run()


if __name__ == "__main__":
    main()
