"""The arguments."""

from __future__ import annotations

import pytest

from ratelog import Limits
from ratelog.cli import commands, policies
from ratelog.cli.parser import create_parser


def test_a_command_has_its_function_and_arguments() -> None:
    args = create_parser().parse_args(["check", "k\udcff", "5/minute; 9/hour", "--cost", "2", "--peek"])
    assert args.run is commands.check
    assert (args.key, args.limits, args.policy, args.cost) == (b"k\xff", Limits("5/minute; 9/hour"), None, 2)
    assert args.peek
    args = create_parser().parse_args(["policies", "set", "login", "5/minute"])
    assert args.run is policies.put
    assert not args.shadow


@pytest.mark.parametrize(
    "argv",
    [["--url", "redis://a", "--config", "f", "--json", "policies", "list"],
     ["policies", "--url", "redis://a", "list", "--config", "f", "--json"]],
)  # fmt: skip
def test_options_may_be_before_and_after_a_command(argv: list[str]) -> None:
    args = create_parser().parse_args(argv)
    assert (args.url, args.config, args.json) == ("redis://a", "f", True)


def test_options_have_defaults() -> None:
    args = create_parser().parse_args(["doctor"])
    assert (args.url, args.config, args.json, args.run) == (None, None, False, None)


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        ([], "required: COMMAND"),
        (["policies"], "required: ACTION"),
        (["check", "k"], "one of the arguments limits --policy is required"),
        (["check", "k", "5/minute", "--policy", "login"], "not allowed with argument"),
        (["check", "k", "5/fortnight"], "found 'fortnight'"),
        (["check", "k", "--policy", "no name"], 'not "no name"'),
        (["explain", "k", "5/minute", "--cost", "0"], "expected a positive integer, not '0'"),
        (["top", "--count", "x"], "expected a positive integer, not 'x'"),
        (["top", "allowed"], "invalid choice: 'allowed'"),
        (["overrides", "set", "k", "ban"], "invalid choice: 'ban'"),
        (["stats", "--res"], "unrecognized arguments: --res"),
    ],
)
def test_wrong_arguments_exit_with_status_2(capsys: pytest.CaptureFixture[str], argv: list[str], text: str) -> None:
    with pytest.raises(SystemExit) as exit_info:
        create_parser().parse_args(argv)
    assert exit_info.value.code == 2
    assert text in capsys.readouterr().err


def test_an_error_shows_no_password(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        create_parser().parse_args(["stats", "--ur=redis://user:s3cret@example.com"])
    error = capsys.readouterr().err
    assert "redis://***@example.com" in error
    assert "s3cret" not in error


def test_every_command_has_a_description(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        create_parser().parse_args(["--help"])
    assert exit_info.value.code == 0
    usage = capsys.readouterr().out
    commands = ("top", "stats", "policies", "overrides", "inspect", "check", "explain", "doctor")
    assert all(f"\n    {command} " in usage for command in commands)
