"""Candidates, drawn once per proposal and seed: systems with one proposal share them."""


rule augment:
    input:
        VOCABULARY,
        "results/{corpus}/data/encoded/train.arrow",
    output:
        candidates="results/{corpus}/augmented/{proposal}/seed{seed}.arrow",
        config="results/{corpus}/augmented/{proposal}/seed{seed}.json",
    log:
        "results/{corpus}/logs/augment.{proposal}.seed{seed}.log",
    benchmark:
        "results/{corpus}/benchmarks/augment.{proposal}.seed{seed}.tsv"
    conda:
        "../envs/environment.yml"
    resources:
        runtime=PREPARATION.minutes,
        mem_mb=lambda wildcards, attempt: attempt * PREPARATION.mem_mb,
    params:
        root=root,
        config=lambda wildcards: augment_slice(wildcards).canonical_json(),
    shell:
        r"printf '%s\n' {params.config:q} > {output.config} && "
        "python -m alpha_dimt augment --config {output.config} "
        "--encoded {params.root}/data/encoded --out {output.candidates} > {log} 2>&1"
