"""Runs the console command `pixstream` as `python -m pixstream.cli`."""

from pixstream.cli.main import main

main()
