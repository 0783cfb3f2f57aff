"""`npde new`."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

import click

from npde.cli.examples import examples, with_name


@click.command()
@click.argument("name", required=False)
@click.option("--like", metavar="EXAMPLE", default="fisher", show_default=True, help="The example to start from.")
@click.option("--list", "is_list", is_flag=True, help="List the examples.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def command(name: str | None, like: str, is_list: bool, force: bool) -> None:
    """Start the file NAME.npde from an example."""
    from npde.cli import report
    from npde.files import write_text

    known = examples()
    if is_list:
        width = max(map(len, known), default=0)
        for example, path in known.items():
            click.echo(f"{example:<{width}}  {_about(path)}".rstrip())
        return
    if name is None:
        raise click.UsageError("Missing argument 'NAME'.", click.get_current_context())
    if like not in known:
        near = get_close_matches(like, known, n=1)
        more = f"did you mean '{near[0]}'?" if near else "`npde new --list` lists them."
        raise click.BadParameter(f"there is no example '{like}'; {more}", param_hint="'--like'")
    target = Path(name if name.endswith(".npde") else f"{name}.npde")
    text = with_name(known[like], target.stem)
    if target.exists() and not force:
        raise click.UsageError(f"'{target}' is already there; --force replaces it.", click.get_current_context())
    write_text(target, text)
    click.echo(target)
    report.say(f"Started from {like}. Try `npde check {target}`, then `npde run {target} --plot {target.stem}.png`.")


def _about(path: Path) -> str:
    """The docstring of an example, or its first equation."""
    from npde import model, syntax
    from npde.files.text import read_source

    problem = model.build(syntax.parse(read_source(path)))
    if problem.doc:
        return problem.doc
    equation = problem.equations[0]
    return problem.source.snippet(equation.span).strip()
