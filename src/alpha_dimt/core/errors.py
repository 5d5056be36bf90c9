"""The errors that a user is meant to read."""


class UserError(Exception):
    """Something the user can mend.

    The message is one sentence that names the thing, the place (file and line where there is one)
    and the way out. The command line prints it without a traceback and exits with code 1.
    """


class Stopped(UserError):
    """A signal stopped the work, which is kept; the same command goes on with it.

    The command line exits with code 75.
    """
