"""The one error that a user is meant to read."""


class UserError(Exception):
    """Something the user can mend.

    The message is one sentence that names the thing, the place (file and line where there is one)
    and the way out. The command line prints it without a traceback and exits with code 1.
    """
