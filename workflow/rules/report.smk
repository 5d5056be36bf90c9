"""Tables, figures, the report, and the runs in MLflow."""


rule table1:
    input:
        runs("config.json"),
        runs("run.json"),
        [runs(f"scores/{scored}.json") for scored in SCORED],
    output:
        multiext("results/{corpus}/tables/table1", ".csv", ".json", ".md", ".tex"),
        report(
            "results/{corpus}/tables/table1.html",
            caption="../report/table1.rst",
            category="Tables",
        ),
    log:
        "results/{corpus}/logs/table1.log",
    conda:
        "../envs/environment.yml"
    resources:
        runtime=COLLECTION.minutes,
        mem_mb=COLLECTION.mem_mb,
    params:
        root=root,
        runs=run_folders,
    shell:
        "python -m alpha_dimt table --out {params.root}/tables/table1 {params.runs} "
        "> {log} 2>&1"


rule training_table:
    input:
        [runs(file) for file in ["config.json", "run.json", "metrics.jsonl"]],
        [runs(f"scores/{scored}.json") for scored in SCORED],
    output:
        multiext("results/{corpus}/tables/training", ".csv", ".json", ".md", ".tex"),
        report(
            "results/{corpus}/tables/training.html",
            caption="../report/training.rst",
            category="Tables",
        ),
    log:
        "results/{corpus}/logs/training_table.log",
    conda:
        "../envs/environment.yml"
    resources:
        runtime=COLLECTION.minutes,
        mem_mb=COLLECTION.mem_mb,
    params:
        root=root,
        runs=run_folders,
    shell:
        "python -m alpha_dimt training-table "
        "--out {params.root}/tables/training {params.runs} > {log} 2>&1"


# Only if the configuration asks for searches beyond those of Table 1.
rule searches_table:
    input:
        runs("config.json"),
        runs("run.json"),
        [runs(f"scores/{scored}.json") for scored in [*SCORED, *FURTHER]],
        expand("results/{{corpus}}/decoding/{search}.json", search=SEARCHES),
    output:
        multiext("results/{corpus}/tables/searches", ".csv", ".json", ".md", ".tex"),
        report(
            "results/{corpus}/tables/searches.html",
            caption="../report/searches.rst",
            category="Tables",
        ),
    log:
        "results/{corpus}/logs/searches_table.log",
    conda:
        "../envs/environment.yml"
    resources:
        runtime=COLLECTION.minutes,
        mem_mb=COLLECTION.mem_mb,
    params:
        root=root,
        runs=run_folders,
        searches=" ".join(f"--search {search}" for search in SEARCHES),
    shell:
        "python -m alpha_dimt searches-table "
        "--out {params.root}/tables/searches {params.searches} {params.runs} "
        "> {log} 2>&1"


# Relative to the project: a question mark in an absolute path would end the URI.
TRACKING_URI = experiment.tracking.uri or "sqlite:///results/mlflow.db"


# One job uploads all runs: two at once could create a run twice. It has the lowest priority: without
# the profile's keep-going, a server that is down would stop the remaining tables and figures.
rule track:
    input:
        runs("config.json"),
        [runs(file) for file in ["run.json", "metrics.jsonl", "best.safetensors"]],
        [runs(f"hypotheses/{scored}.txt") for scored in SCORED],
        [runs(f"scores/{scored}.json") for scored in SCORED],
        [runs(file) for file in OWN_VOCABULARY],
        for_languages("results/{corpus}/data/text/test.raw.{language}"),
        "results/{corpus}/data/encoded/report.json",
        "results/{corpus}/decoding/beam.json",
        attached=[
            "results/{corpus}/tables/table1.html",
            "results/{corpus}/tables/significance.html",
            "results/{corpus}/tables/training.html",
            "results/{corpus}/figures/scores.svg",
            "results/{corpus}/figures/learning_curves.svg",
            "results/{corpus}/report/index.html",
        ],
    output:
        "results/{corpus}/tracking.json",
    log:
        "results/{corpus}/logs/track.log",
    priority: -1
    localrule: True
    conda:
        "../envs/environment.yml"
    params:
        runs=run_folders,
        preset=f"--preset {experiment.preset}" if experiment.preset else "",
        attached=lambda wildcards, input: " ".join(
            f"--attach {file}" for file in input.attached
        ),
        # A function, because Snakemake would expand braces in a string.
        uri=lambda wildcards: TRACKING_URI,
    shell:
        "python -m alpha_dimt track --uri {params.uri:q} --experiment {wildcards.corpus} "
        "{params.preset} {params.attached} --receipt {output} {params.runs} > {log} 2>&1"


rule figures:
    input:
        runs("config.json"),
        [runs(file) for file in ["run.json", "metrics.jsonl"]],
        [runs(f"scores/{scored}.json") for scored in SCORED],
        "results/{corpus}/decoding/beam.json",
    output:
        report(
            "results/{corpus}/figures/scores.svg",
            caption="../report/scores.rst",
            category="Figures",
        ),
        report(
            "results/{corpus}/figures/learning_curves.svg",
            caption="../report/learning_curves.rst",
            category="Figures",
        ),
    log:
        "results/{corpus}/logs/figures.log",
    conda:
        "../envs/environment.yml"
    resources:
        runtime=COLLECTION.minutes,
        mem_mb=COLLECTION.mem_mb,
    params:
        root=root,
        runs=run_folders,
    shell:
        "python -m alpha_dimt figures --out {params.root}/figures {params.runs} "
        "> {log} 2>&1"


# The first seed of every system translates the same few sentences.
rule examples:
    input:
        [
            first_seeds(file)
            for file in [
                "config.json",
                "run.json",
                "best.safetensors",
                *OWN_VOCABULARY,
            ]
        ],
        "results/{corpus}/data/encoded/report.json",
        test="results/{corpus}/data/encoded/test.arrow",
        config="results/{corpus}/decoding/beam.json",
    output:
        "results/{corpus}/report/examples.json",
    log:
        "results/{corpus}/logs/examples.log",
    conda:
        "../envs/environment.yml"
    threads: experiment.training.threads
    resources:
        device=experiment.training.device,
        runtime=COLLECTION.minutes,
        mem_mb=lambda wildcards, attempt: attempt * decoding_limits("beam").mem_mb,
        gpu=decoding_limits("beam").gpus,
    params:
        root=root,
        runs=lambda wildcards, output: run_folders(wildcards, output, first=1),
    shell:
        "python -m alpha_dimt examples --config {input.config} "
        "--encoded {params.root}/data/encoded --threads {threads} "
        "--device {resources.device} --out {output} {params.runs} > {log} 2>&1"


rule report:
    input:
        runs("config.json"),
        [runs(file) for file in ["run.json", "metrics.jsonl"]],
        [runs(f"scores/{scored}.json") for scored in SCORED],
        "results/{corpus}/decoding/beam.json",
        expand("results/{{corpus}}/tables/{table}.json", table=TABLE_NAMES),
        examples="results/{corpus}/report/examples.json",
    output:
        report(
            "results/{corpus}/report/index.html",
            caption="../report/page.rst",
            category="Report",
        ),
    log:
        "results/{corpus}/logs/report.log",
    conda:
        "../envs/environment.yml"
    resources:
        runtime=COLLECTION.minutes,
        mem_mb=COLLECTION.mem_mb,
    params:
        root=root,
        runs=run_folders,
    shell:
        "python -m alpha_dimt report --tables {params.root}/tables "
        "--examples {input.examples} --out {output} {params.runs} > {log} 2>&1"
