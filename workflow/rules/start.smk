"""Check at the start of an experiment what would otherwise fail at its end."""

import subprocess

from snakemake.settings.types import DeploymentMethod


# Called only if jobs will run: not in a dry run, not if there is nothing to do, and not in the
# processes that Snakemake starts for its jobs. This interpreter is also that of the rules, except
# with conda environments and containers, whose libraries need not be installed here.
def check_start():
    """Exit with a message if the image is not named, or if the disks or the tracking cannot be used."""
    methods = workflow.deployment_settings.deployment_method
    if DeploymentMethod.APPTAINER in methods and not experiment.container:
        sys.exit(
            "container: --sdm apptainer needs the image that jobs run in; name it in the "
            "configuration, or with --config container=FILE"
        )
    untrained = [file for file in runs("best.safetensors") if not Path(file).exists()]
    try:
        limits.check_scratch(os.environ)
        limits.check_room(experiment, CORPUS_SIZE, len(untrained), Path("results"))
    except UserError as error:
        sys.exit(str(error))
    planned = {job.rule.name for job in workflow.dag.needrun_jobs()}
    foreign = {DeploymentMethod.CONDA, DeploymentMethod.APPTAINER} & set(methods)
    if "track" in planned and not foreign:
        command = ["check-tracking", "--uri", TRACKING_URI, "--experiment", CORPUS]
        command += ["--receipt", f"results/{CORPUS}/tracking.json"]
        try:
            # Ctrl-C reaches Snakemake alone, which ends the check.
            result = subprocess.run(
                [sys.executable, "-m", "alpha_dimt", *command],
                stdout=sys.stderr,
                start_new_session=True,
            )
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            sys.exit(130)
        if result.returncode:
            sys.exit(result.returncode)


# A module leaves these to the workflow that uses it.
if not IS_MODULE:

    onstart:
        check_start()
