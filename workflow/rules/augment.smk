"""Candidates: drawn once a seed; every system that needs them trains on the same ones."""


rule augment:
    input:
        VOCABULARY,
        "results/{corpus}/data/encoded/train.arrow",
    output:
        candidates="results/{corpus}/augmented/seed{seed}.arrow",
        config="results/{corpus}/augmented/seed{seed}.json",
    log:
        "results/{corpus}/logs/augment.seed{seed}.log",
    benchmark:
        "results/{corpus}/benchmarks/augment.seed{seed}.tsv"
    conda:
        "../../environment.yml"
    params:
        config=lambda wildcards: augment_slice(wildcards).canonical_json(),
    shell:
        r"printf '%s\n' {params.config:q} > {output.config} && "
        "python -m alpha_dimt augment --config {output.config} "
        "--encoded results/{wildcards.corpus}/data/encoded --out {output.candidates} > {log} 2>&1"
