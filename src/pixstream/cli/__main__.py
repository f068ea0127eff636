"""`python -m pixstream.cli` is the console command `pixstream`."""

from pixstream.cli.main import main

main()
