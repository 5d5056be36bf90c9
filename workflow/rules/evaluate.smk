"""Signed scores of one file of hypotheses."""


rule evaluate:
    input:
        hypotheses="results/{corpus}/runs/{system}/seed{seed}/hypotheses/{split}.{search}.txt",
        tokenised=f"results/{{corpus}}/data/text/{{split}}.{TARGET}",
        raw=f"results/{{corpus}}/data/text/{{split}}.raw.{TARGET}",
    output:
        "results/{corpus}/runs/{system}/seed{seed}/scores/{split}.{search}.json",
    log:
        "results/{corpus}/logs/evaluate.{system}.seed{seed}.{split}.{search}.log",
    conda:
        "../../environment.yml"
    params:
        case="--cased" if experiment.preparation.lowercase == "never" else "--lowercase",
        language=TARGET,
    shell:
        "python -m alpha_dimt evaluate --hypotheses {input.hypotheses} "
        "--tokenised {input.tokenised} --raw {input.raw} --language {params.language} "
        "{params.case} --out {output} > {log} 2>&1"
