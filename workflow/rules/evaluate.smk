"""Scores of each file of hypotheses, and significance tests of every pair of systems."""


rule evaluate:
    input:
        "results/{corpus}/runs/{system}/seed{seed}/hypotheses/{split}.{search}.json",
        hypotheses="results/{corpus}/runs/{system}/seed{seed}/hypotheses/{split}.{search}.txt",
        tokenised=f"results/{{corpus}}/data/text/{{split}}.{TARGET}",
        raw=f"results/{{corpus}}/data/text/{{split}}.raw.{TARGET}",
    output:
        "results/{corpus}/runs/{system}/seed{seed}/scores/{split}.{search}.json",
    log:
        "results/{corpus}/logs/evaluate.{system}.seed{seed}.{split}.{search}.log",
    conda:
        "../envs/environment.yml"
    resources:
        runtime=EVALUATION.minutes,
        mem_mb=EVALUATION.mem_mb,
    params:
        case=TEXT_OPTIONS,
        language=TARGET,
    shell:
        "python -m alpha_dimt evaluate --hypotheses {input.hypotheses} "
        "--tokenised {input.tokenised} --raw {input.raw} --language {params.language} "
        "{params.case} --out {output} > {log} 2>&1"


rule significance:
    input:
        [runs(file) for file in ["config.json", "run.json", "metrics.jsonl"]],
        [runs(f"scores/{scored}.json") for scored in SCORED],
        [runs(f"hypotheses/{scored}.txt") for scored in TESTED],
        reference=f"results/{{corpus}}/data/text/test.{TARGET}",
    output:
        multiext("results/{corpus}/tables/significance", ".csv", ".json", ".md", ".tex"),
        report(
            "results/{corpus}/tables/significance.html",
            caption="../report/significance.rst",
            category="Tables",
        ),
    log:
        "results/{corpus}/logs/significance.log",
    conda:
        "../envs/environment.yml"
    resources:
        runtime=COLLECTION.minutes,
        mem_mb=COLLECTION.mem_mb,
    params:
        root=root,
        runs=run_folders,
    shell:
        "python -m alpha_dimt significance --reference {input.reference} "
        "--out {params.root}/tables/significance {params.runs} > {log} 2>&1"
