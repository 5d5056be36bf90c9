"""Table 1 and the comparison of runs in MLflow."""


rule table1:
    input:
        runs("config.json"),
        runs("run.json"),
        [runs(f"scores/{scored}.json") for scored in SCORED],
    output:
        multiext("results/{corpus}/tables/table1", ".csv", ".md", ".tex", ".html"),
    log:
        "results/{corpus}/logs/table1.log",
    conda:
        "../../environment.yml"
    resources:
        runtime=COLLECTION.minutes,
        mem_mb=COLLECTION.mem_mb,
    params:
        runs=run_folders,
    shell:
        "python -m alpha_dimt table --out results/{wildcards.corpus}/tables/table1 {params.runs} "
        "> {log} 2>&1"


rule training_table:
    input:
        [runs(file) for file in ["config.json", "run.json", "metrics.jsonl"]],
        [runs(f"scores/{scored}.json") for scored in SCORED],
    output:
        multiext("results/{corpus}/tables/training", ".csv", ".md", ".tex", ".html"),
    log:
        "results/{corpus}/logs/training_table.log",
    conda:
        "../../environment.yml"
    resources:
        runtime=COLLECTION.minutes,
        mem_mb=COLLECTION.mem_mb,
    params:
        runs=run_folders,
    shell:
        "python -m alpha_dimt training-table "
        "--out results/{wildcards.corpus}/tables/training {params.runs} > {log} 2>&1"


# One job uploads all runs: two at once could make one run twice. It goes last: without the profile's
# keep-going, a server that is down would stop the tables and figures that have not begun.
rule track:
    input:
        runs("config.json"),
        [runs(file) for file in ["run.json", "metrics.jsonl", "best.safetensors"]],
        [runs(f"hypotheses/{scored}.txt") for scored in SCORED],
        [runs(f"scores/{scored}.json") for scored in SCORED],
    output:
        "results/{corpus}/tracking.json",
    log:
        "results/{corpus}/logs/track.log",
    priority: -1
    localrule: True
    conda:
        "../../environment.yml"
    params:
        runs=run_folders,
        uri=experiment.tracking.uri
        or f"sqlite:///{Path('results/mlflow.db').absolute()}",
    shell:
        "python -m alpha_dimt track --uri {params.uri:q} --experiment {wildcards.corpus} "
        "--receipt {output} {params.runs} > {log} 2>&1"


rule learning_curves:
    input:
        [runs(file) for file in ["run.json", "metrics.jsonl"]],
    output:
        "results/{corpus}/figures/learning_curves.svg",
    log:
        "results/{corpus}/logs/learning_curves.log",
    conda:
        "../../environment.yml"
    resources:
        runtime=COLLECTION.minutes,
        mem_mb=COLLECTION.mem_mb,
    params:
        runs=run_folders,
    shell:
        "python -m alpha_dimt curves --out {output} {params.runs} > {log} 2>&1"
