"""Raw text, tokenised text, encoded text."""

# Each stage writes its slice of the configuration beside its results. The slice is a parameter, so
# the stage reruns when its content changes, and never because of a time stamp.


rule fetch:
    input:
        text_to_fetch,
    output:
        expand(
            "results/{{corpus}}/data/raw/{split}.{language}",
            split=RAW_SPLITS,
            language=[SOURCE, TARGET],
        ),
        "results/{corpus}/data/raw/report.json",
        config="results/{corpus}/data/config.json",
    log:
        "results/{corpus}/logs/fetch.log",
    localrule: True
    conda:
        "../envs/environment.yml"
    # A resource and not a parameter: another mirror must not repeat the download.
    resources:
        mirrors=shlex.join(
            f"--mirror={mirror}"
            for mirror in getattr(experiment.corpus, "mirrors", ())
        ),
    # Functions, because Snakemake would interpret braces in a path as wildcards.
    params:
        root=root,
        config=lambda wildcards: experiment.data_config().canonical_json(),
    shell:
        r"printf '%s\n' {params.config:q} > {output.config} && "
        "python -m alpha_dimt fetch --config {output.config} {resources.mirrors} "
        "--cache results/downloads --out {params.root}/data/raw 2>&1 | tee {log}"


rule tokenise:
    input:
        expand(
            "results/{{corpus}}/data/raw/{split}.{language}",
            split=RAW_SPLITS,
            language=[SOURCE, TARGET],
        ),
        "results/{corpus}/data/raw/report.json",
        config="results/{corpus}/data/config.json",
    output:
        expand(
            "results/{{corpus}}/data/text/{split}.{language}",
            split=TEXT_SPLITS,
            language=[SOURCE, TARGET],
        ),
        "results/{corpus}/data/text/report.json",
    log:
        "results/{corpus}/logs/tokenise.log",
    benchmark:
        "results/{corpus}/benchmarks/tokenise.tsv"
    conda:
        "../envs/environment.yml"
    resources:
        runtime=PREPARATION.minutes,
        mem_mb=lambda wildcards, attempt: attempt * PREPARATION.mem_mb,
    params:
        root=root,
    shell:
        "python -m alpha_dimt tokenise --config {input.config} "
        "--raw {params.root}/data/raw --out {params.root}/data/text "
        "2>&1 | tee {log}"


rule encode:
    input:
        watched(VOCABULARY_FILES),
        expand(
            "results/{{corpus}}/data/text/{split}.{language}",
            split=ENCODED_SPLITS,
            language=[SOURCE, TARGET],
        ),
        "results/{corpus}/data/text/report.json",
        config="results/{corpus}/data/config.json",
    output:
        VOCABULARY,
        expand(
            "results/{{corpus}}/data/encoded/{split}.arrow",
            split=["train", "valid", "test"],
        ),
        "results/{corpus}/data/encoded/report.json",
    log:
        "results/{corpus}/logs/encode.log",
    benchmark:
        "results/{corpus}/benchmarks/encode.tsv"
    conda:
        "../envs/environment.yml"
    resources:
        runtime=PREPARATION.minutes,
        mem_mb=lambda wildcards, attempt: attempt * PREPARATION.mem_mb,
    params:
        root=root,
    shell:
        "python -m alpha_dimt encode --config {input.config} "
        "--text {params.root}/data/text --out {params.root}/data/encoded "
        "2>&1 | tee {log}"
