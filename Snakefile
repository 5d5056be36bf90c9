"""From a corpus to Table 1. Configurations: config/README.md; the stages: workflow/rules/."""

from snakemake.utils import min_version

min_version("9.0")


# A configuration given by the user replaces this one; they are not merged.
if not workflow.configfiles:

    configfile: f"{workflow.basedir}/config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/augment.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/decode.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/start.smk"


TABLES = [table(name) for name in TABLE_NAMES]


# Plain paths: what a rule calls its output cannot be expanded where a storage holds it.
rule all:
    default_target: True
    input:
        TABLES,
        [
            f"results/{CORPUS}/figures/{name}.svg"
            for name in ["scores", "learning_curves"]
        ],
        f"results/{CORPUS}/report/index.html",
        f"results/{CORPUS}/tracking.json",


rule data:
    input:
        f"results/{CORPUS}/data/encoded/report.json",


rule models:
    input:
        runs("run.json"),


rule tables:
    input:
        TABLES,


rule tracking:
    input:
        f"results/{CORPUS}/tracking.json",
