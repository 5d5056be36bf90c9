"""Fill MLflow from the folders of finished runs: the only package that knows mlflow.

records       what is logged of one run, read from its folder
summaries     what is logged of the seeds of one system, and of all systems together
mlflow_model  the model as MLflow loads it
store         where runs are logged, and what may be wrong there
ready         whether it can be done, asked at the start of an experiment
upload        the way there, which can be interrupted anywhere and repeated
"""
