"""The program `lab`, also `python -m delab`."""

import sys


def main() -> None:
    """Run the command line; a verification's own process is started before anything else is imported."""
    if sys.argv[1:2] == ["verify"] and not {"-h", "--help"} & set(sys.argv):
        from delab import verifier

        verifier.ahead()
    from delab import cli

    cli.main()


if __name__ == "__main__":
    main()
