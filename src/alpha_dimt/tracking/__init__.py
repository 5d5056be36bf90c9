"""Log finished runs to MLflow from their folders: the only package that imports mlflow.

records       what is logged for one run, read from its folder
summaries     what is logged for the seeds of one system, and for all systems together
mlflow_model  the model as MLflow loads it
store         the database or server, and checks of its state
ready         the check, at the start of an experiment, that tracking will work
upload        the upload, which can be interrupted at any point and repeated
"""
