"""`python -m npde` is the command `npde`."""

from npde.cli import main

if __name__ == "__main__":
    main()
