"""Log finished runs to MLflow from their folders: the only package that imports mlflow.

records          what is logged for one run, read from its folder
summaries        what is logged for the seeds of one system, and for all systems together
experiment_page  the note and the saved view of the experiment
mlflow_model     the model as MLflow loads it
models           the model as MLflow lists it, with its files
entities         records as MLflow's own objects
store            the database or server, and checks of its state
place            the experiment, and whose runs are in it
ready            the check, at the start of an experiment, that tracking will work
upload           the upload, which can be interrupted at any point and repeated
live             a training as its files show it while it runs
follow           runs of MLflow that grow with their trainings
"""
