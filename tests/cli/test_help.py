"""Every command teaches, and none of them needs torch to do so."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from elva.cli.app import app
from elva.cli.reference import commands

COMMANDS = [path.split() for path in commands(app)]
AND_GROUPS = [command[:words] for command in COMMANDS for words in range(len(command) + 1)]

LOOK_AT_ALL_HELP = """
import sys
import elva
from typer.testing import CliRunner
from elva.cli.app import app
for command in {commands}:
    result = CliRunner().invoke(app, [*command, "--help"])
    assert result.exit_code == 0, (command, result.output)
    heavy = [name for name in ("torch", "transformers", "matplotlib") if name in sys.modules]
    assert not heavy, (command, heavy)
"""


def test_no_help_imports_torch() -> None:
    code = LOOK_AT_ALL_HELP.format(commands=AND_GROUPS)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_listing_settings_and_recipes_needs_no_torch() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from elva.cli.app import app; "
        "shown = CliRunner().invoke(app, ['train', '--settings', '--list']).output; "
        "assert 'optimizer.lr = (must be given)' in shown, shown; assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_recipe_is_listed_with_its_launch_line() -> None:
    shown = CliRunner().invoke(app, ["train", "--list"]).output.splitlines()
    names = [line for line in shown if not line.startswith(" ")]
    assert "tiny/stage2" in names
    for name in names:
        assert any(line.startswith(f"  elva train {name} data.root=") for line in shown), name


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_shows_an_example(command: list[str]) -> None:
    shown = CliRunner().invoke(app, [*command, "--help"]).output
    assert "Example" in shown
    assert f"elva {' '.join(command)} " in shown


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_option_is_explained(command: list[str]) -> None:
    shown = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "300"}).output
    options = [line for line in shown.splitlines() if re.match(r"│\s+(\*\s+)?-", line)]
    assert options
    for line in options:
        *_, last = re.split(r"\s{2,}", line.strip("│ "))
        assert re.search(r"[A-Za-z]{3,} ?[A-Za-z.]*", last.replace(">", "")), line
        assert "<" not in last, f"no help: {line}"


def test_an_unknown_command_names_the_nearest() -> None:
    result = CliRunner().invoke(app, ["evalute"])
    assert result.exit_code == 2
    assert "Did you mean 'evaluate'" in result.output


def test_the_version_is_the_package_s() -> None:
    assert CliRunner().invoke(app, ["--version"]).output.startswith("elva 0.")
