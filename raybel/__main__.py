"""`python -m raybel` is the command line."""

from raybel.cli import run

if __name__ == "__main__":
    run()
