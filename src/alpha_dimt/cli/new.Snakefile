"""The workflow of the installed alpha-dimt, for Snakemake itself; `alpha-dimt run` does without."""

from alpha_dimt.core.pipeline import pipeline_folder


include: f"{pipeline_folder()}/workflow/Snakefile"


# An included file has no say in what is made by default.
workflow.default_target = "all"
