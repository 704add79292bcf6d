"""`python -m omnihub`: the same as the `omnihub` command."""

from omnihub.cli.main import run

if __name__ == "__main__":
    run()
