"""The command line. Only this package prints or exits; a command is a module of `npde.cli.commands`, imported when called."""

from npde.cli.app import app, main

__all__ = ["app", "main"]
