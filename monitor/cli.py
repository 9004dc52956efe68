"""The command line: finds the commands in `monitor.commands`, and turns errors into one sentence and an exit code.

0 fine, 1 found something, 2 bad usage or input.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from functools import cached_property

import click

import monitor.commands
from monitor import __version__
from monitor.errors import MonitorError, describe


class Commands(click.Group):
    """All commands: each is the `command` of a module in `monitor.commands`."""

    @cached_property
    def _found(self) -> dict[str, click.Command]:
        modules = (
            importlib.import_module(f"{monitor.commands.__name__}.{info.name}")
            for info in pkgutil.iter_modules(monitor.commands.__path__)
        )
        return {str(module.command.name): module.command for module in modules}

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Names of all commands."""
        return sorted(self._found)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        return self._found.get(cmd_name)


@click.command(cls=Commands, no_args_is_help=True)
@click.version_option(__version__, prog_name="llmops-monitor")
def commands() -> None:
    """What got worse in an LLM application: for whom, since when, by how much, and which calls show it."""


def run(arguments: list[str] | None = None) -> int:
    """Runs one command line; answers the exit code."""
    try:
        answer = commands.main(arguments, prog_name="llmops-monitor", standalone_mode=False)
    except click.ClickException as error:
        return _fail(error.format_message(), error.exit_code or 2)
    except MonitorError as error:
        return _fail(str(error), 2)
    except click.Abort:
        return _fail("Stopped.", 130)
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except Exception as error:
        return _fail(f"This failed: {describe(error)}.", 2)
    return answer if isinstance(answer, int) else 0


def main() -> None:
    """The entry point."""
    sys.exit(run())


def _fail(sentence: str, code: int) -> int:
    click.echo(" ".join(sentence.split()), err=True)
    return code


if __name__ == "__main__":
    main()
