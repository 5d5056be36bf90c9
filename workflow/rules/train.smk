"""Training: one system, one seed."""


# Snakemake deletes a failed job's outputs before rerunning it, so checkpoints are in a folder that
# is not declared as an output. `exec` passes the signals that stop the job on to the training.
rule train:
    input:
        VOCABULARY,
        expand(
            "results/{{corpus}}/data/encoded/{split}.arrow", split=["train", "valid"]
        ),
        "results/{corpus}/data/encoded/report.json",
        first_weights,
        candidates=candidates,
        start=start,
    output:
        expand(
            "results/{{corpus}}/runs/{{system}}/seed{{seed}}/{file}",
            file=["metrics.jsonl", "best.safetensors", "run.json", *OWN_VOCABULARY],
        ),
        config="results/{corpus}/runs/{system}/seed{seed}/config.json",
    log:
        "results/{corpus}/logs/train.{system}.seed{seed}.log",
    benchmark:
        "results/{corpus}/benchmarks/train.{system}.seed{seed}.tsv"
    conda:
        "../envs/environment.yml"
    threads: lambda wildcards: run_slice(wildcards).training.threads
    # Neither the device nor what concerns checkpoints is in `params:`, where a new value would repeat
    # the training.
    resources:
        device=lambda wildcards: experiment.training_of(wildcards.system).device,
        checkpoint_seconds=experiment.checkpoints.seconds,
        states=str(STATES),
        runtime=lambda wildcards: training_limits(wildcards.system).minutes,
        mem_mb=lambda wildcards, attempt: attempt
        * training_limits(wildcards.system).mem_mb,
        gpu=lambda wildcards: training_limits(wildcards.system).gpus,
    params:
        root=root,
        candidates=lambda wildcards, input: (
            f"--augmented {input.candidates}" if input.candidates else ""
        ),
        start=lambda wildcards, input: f"--start {input.start}" if input.start else "",
        config=lambda wildcards: run_slice(wildcards).canonical_json(),
    shell:
        r"printf '%s\n' {params.config:q} > {output.config} && "
        "exec python -m alpha_dimt train --config {output.config} "
        "--encoded {params.root}/data/encoded {params.candidates} {params.start} "
        "--state {resources.states:q} "
        "--out {params.root}/runs/{wildcards.system}/seed{wildcards.seed} "
        "--threads {threads} --device {resources.device} --checkpoint-seconds {resources.checkpoint_seconds} --log {log}"


if not IS_MODULE:

    onsuccess:
        forget_checkpoints()
        say_what_is_there()
