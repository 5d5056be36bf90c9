"""Errors that are meant for the user."""


class UserError(Exception):
    """An error that the user can fix.

    The message is one sentence: place (file, and line if there is one), problem, way out. The
    command line prints it without a traceback and exits with code 1.
    """


class Stopped(UserError):
    """A signal stopped the work. Progress is saved, and the same command resumes it.

    The command line exits with code 75.
    """
