"""The workflow, where `snakemake` looks first; it is in workflow/Snakefile."""


include: "workflow/Snakefile"


# An included file has no say in what is made by default.
workflow.default_target = "all"
