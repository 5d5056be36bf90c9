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


rule all:
    default_target: True
    input:
        expand(rules.table1.output, corpus=CORPUS),
        expand(rules.significance.output, corpus=CORPUS),
        expand(rules.training_table.output, corpus=CORPUS),
        expand(rules.searches_table.output, corpus=CORPUS) if FURTHER else [],
        expand(rules.figures.output, corpus=CORPUS),
        expand(rules.report.output, corpus=CORPUS),
        expand(rules.track.output, corpus=CORPUS),


rule data:
    input:
        expand(rules.encode.output, corpus=CORPUS),


rule models:
    input:
        runs("run.json"),


rule tables:
    input:
        expand(rules.table1.output, corpus=CORPUS),
        expand(rules.significance.output, corpus=CORPUS),
        expand(rules.training_table.output, corpus=CORPUS),
        expand(rules.searches_table.output, corpus=CORPUS) if FURTHER else [],


rule tracking:
    input:
        expand(rules.track.output, corpus=CORPUS),
