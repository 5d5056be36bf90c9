"""`python -m alpha_dimt` is the command line; the workflow's rules call it this way."""

from alpha_dimt.cli import main

main()
