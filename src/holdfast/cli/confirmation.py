"""The typed word that stands before what cannot be taken back."""

from __future__ import annotations

import sys

import click

from holdfast.core.errors import RefusedError


def ask_for(word: str, consequence: str) -> None:
    """Return when the person at the terminal has typed `word`.

    Raises
    ------
    RefusedError
        Another word was typed, or there is no terminal to type it at.
    """
    if not sys.stdin.isatty():
        raise RefusedError(f"{consequence} It asks for the typed word {word}", hint="add --yes in a script")
    click.echo(consequence, err=True)
    typed = click.prompt(f"Type {word} to go on", err=True, default="", show_default=False)
    if typed.strip().upper() != word:
        raise RefusedError("that was not the word; nothing was done", hint=f"type {word}, or add --yes")
