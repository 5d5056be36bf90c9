"""Greedy and beam search with a trained model."""


# The only configuration slice that several jobs share.
rule decoding_config:
    output:
        "results/{corpus}/decoding/{search}.json",
    log:
        "results/{corpus}/logs/decoding_config.{search}.log",
    localrule: True
    conda:
        "../envs/environment.yml"
    params:
        config=lambda wildcards: experiment.decoding.searches[
            wildcards.search
        ].canonical_json(),
    shell:
        r"printf '%s\n' {params.config:q} > {output} 2> {log}"


rule decode:
    input:
        "results/{corpus}/data/encoded/report.json",
        "results/{corpus}/data/encoded/{split}.arrow",
        "results/{corpus}/data/encoded/valid.arrow",  # tunes the length bonus
        run=rules.train.output,
        config="results/{corpus}/decoding/{search}.json",
    output:
        text="results/{corpus}/runs/{system}/seed{seed}/hypotheses/{split}.{search}.txt",
        record="results/{corpus}/runs/{system}/seed{seed}/hypotheses/{split}.{search}.json",
    log:
        "results/{corpus}/logs/decode.{system}.seed{seed}.{split}.{search}.log",
    benchmark:
        "results/{corpus}/benchmarks/decode.{system}.seed{seed}.{split}.{search}.tsv"
    conda:
        "../envs/environment.yml"
    threads: lambda wildcards: run_slice(wildcards).training.threads
    resources:
        device=lambda wildcards: experiment.training_of(wildcards.system).device,
        runtime=lambda wildcards: decoding_limits(wildcards.search).minutes,
        mem_mb=lambda wildcards, attempt: attempt
        * decoding_limits(wildcards.search).mem_mb,
        gpu=lambda wildcards: decoding_limits(wildcards.search).gpus,
    params:
        root=root,
    shell:
        "python -m alpha_dimt decode --config {input.config} "
        "--run {params.root}/runs/{wildcards.system}/seed{wildcards.seed} "
        "--encoded {params.root}/data/encoded --split {wildcards.split} "
        "--out {output.text} --threads {threads} --device {resources.device} > {log} 2>&1"
