"""What would fail at the end of an experiment is looked for at its start."""

import subprocess

from snakemake.settings.types import DeploymentMethod


# Only where a job is to run: neither in a dry run, nor when nothing is to be done, nor in the
# processes that Snakemake starts for its jobs. The interpreter here is that of the rules, unless
# conda brings theirs, whose libraries need not be here.
def check_start():
    """End the workflow with one sentence if its disks or its tracking cannot be used."""
    untrained = [file for file in runs("best.safetensors") if not Path(file).exists()]
    try:
        limits.check_scratch(os.environ)
        limits.check_room(experiment, CORPUS_SIZE, len(untrained), Path("results"))
    except UserError as error:
        sys.exit(str(error))
    planned = {job.rule.name for job in workflow.dag.needrun_jobs()}
    foreign = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
    if "track" in planned and not foreign:
        command = ["check-tracking", "--uri", TRACKING_URI, "--experiment", CORPUS]
        command += ["--receipt", f"results/{CORPUS}/tracking.json"]
        result = subprocess.run(
            [sys.executable, "-m", "alpha_dimt", *command], stdout=sys.stderr
        )
        if result.returncode:
            sys.exit(result.returncode)


onstart:
    check_start()
