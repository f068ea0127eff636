"""The main script: `python kafka_ingest.py run` is the console command `pixstream run`."""

from pixstream.cli.main import main

if __name__ == "__main__":
    main()
