"""Run the processes of the Procfile until one ends or all are told to: honcho, with three rules of our own.

honcho's own command reads .env over the environment and gives each process another PORT, and reminders would
link to the wrong address. A closed terminal must end everything, although there is nothing to print to any more.
A stop that was asked for is a success (exit code 0); any other end is a failure, even if the server ended politely.
"""

import os
import signal
import sys
from pathlib import Path

from honcho.environ import parse_procfile
from honcho.manager import Manager
from honcho.printer import Message, Printer

ROOT = Path(__file__).resolve().parent.parent
ASKED_TO_STOP = {128 + signal.SIGINT, 128 + signal.SIGTERM}


class TerminalPrinter(Printer):
    """Print until the terminal, or the reader of the pipe, is gone; then stop everything in silence."""

    def write(self, message: Message) -> None:
        try:
            super().write(message)
        except OSError:
            self.output = open(os.devnull, "w")  # noqa: SIM115
            signal.raise_signal(signal.SIGTERM)


def main() -> None:
    commands = parse_procfile((ROOT / "Procfile").read_text()).processes
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    environment = {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1"}
    # Who reads the log by machine gets each line as it was written.
    manager = Manager(TerminalPrinter(sys.stdout, prefix=sys.stdout.isatty()))
    for name in sys.argv[1:] or commands:
        manager.add_process(name, commands[name], env=environment, cwd=str(ROOT))
    signal.signal(signal.SIGHUP, lambda signum, frame: signal.raise_signal(signal.SIGTERM))
    manager.loop()
    sys.exit(0 if manager.returncode in ASKED_TO_STOP else 1)


if __name__ == "__main__":
    main()
