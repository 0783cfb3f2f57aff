"""The command `npde`: which commands there are, and what becomes of an error.

Exit status: 0 done, 1 the user's file or data is wrong, 2 the command line is wrong, 70 a bug in npde, 130 interrupted.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

from npde import __version__

COMMANDS = {
    "check": "Reports every mistake; order, step bound and cost.",
    "show": "Prints a stage of the compiler.",
    "explain": "Explains a model, or the code of a diagnostic.",
    "fmt": "Writes files in canonical form.",
    "compile": "Writes a model as a standalone PyTorch module.",
    "graph": "Draws the network of a model.",
    "run": "Simulates a model forward from its initial data.",
    "train": "Fits what a model learns to data.",
    "eval": "Compares a trained or saved model with data.",
    "new": "Starts a file from an example.",
    "doctor": "Says what is installed, and what it can be used for.",
}
DONE, WRONG, USAGE, BUG, INTERRUPTED = 0, 1, 2, 70, 130


class Commands(click.Group):
    """Imports a command's module when it is called; help needs none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's protocol
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"npde.cli.commands.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=1)
            meant = near[0] if near else f"npde check {args[0]}" if args[0].endswith(".npde") else None
            if meant is None:
                raise
            raise click.UsageError(f"{error.message} Did you mean '{meant}'?", ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(self, args: Sequence[str] | None = None, *more: Any, **extra: Any) -> NoReturn:
        """Runs a command line and exits; no mistake of a user shows a traceback."""
        extra["standalone_mode"] = False
        extra["prog_name"] = "npde"
        try:
            status = super().main(args, *more, **extra)
            sys.stdout.flush()
        except BrokenPipeError:
            # The reader has gone; what is still buffered must not raise again at exit. (click does so while a command runs.)
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115
            status = WRONG
        except (KeyboardInterrupt, click.Abort):
            click.echo("Interrupted.", err=True)
            status = INTERRUPTED
        except Exception as error:
            status = failed(error, is_json="--json" in (sys.argv[1:] if args is None else args))
        sys.exit(status if isinstance(status, int) else DONE)


def failed(error: Exception, is_json: bool = False) -> int:
    """Says what went wrong, on standard error (diagnostics as JSON on standard output), and gives the exit status."""
    from npde.cli import report
    from npde.diagnostics import DiagnosticError, InternalError, NpdeError

    if os.environ.get("NPDE_DEBUG"):
        import traceback

        traceback.print_exception(error)
    match error:
        case click.exceptions.Exit():
            return error.exit_code
        case click.exceptions.NoArgsIsHelpError():
            click.echo(error.format_message(), err=True)
            return error.exit_code
        case click.ClickException():
            report.usage(error)
            return error.exit_code
        case DiagnosticError():
            if is_json:
                report.error_json(error)
            else:
                report.diagnostics(error.diagnostics, error.source, err=True)
            return USAGE if report.is_about_options(error) else WRONG
        case InternalError():
            report.bug(error)
            return BUG
        case NpdeError():
            report.problem(str(error))
            return USAGE if isinstance(error, ValueError) else WRONG
        case _ if report.is_out_of_memory(error):
            report.problem(
                "There is not enough memory. A coarser `--grid`, fewer frames (`--every`) or float32 need less."
            )
            return WRONG
        case _:
            report.bug(error)
            return BUG


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Every command has its own --help. Files end in .npde; `-` is standard input.",
)
@click.version_option(__version__, prog_name="npde", message="%(prog)s %(version)s")
def app() -> None:
    """Compiles partial differential equations to trainable PyTorch networks."""


def main() -> NoReturn:
    """The entry point of the command `npde`."""
    # Imports make many objects and no garbage: collecting less often saves a tenth of the time of a short command.
    gc.set_threshold(50_000, 20, 20)
    app.main()
