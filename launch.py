"""Easel's bootstrap: shows a progress page at once, sets everything up, and starts the studio at the same address.

Standard library only, on any Python from 3.8 on, on every system; launch.sh, launch.bat and launch.command only find that Python.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    # PYTHONPATH of another environment must not shadow the standard library, and PYTHONSAFEPATH leaves out the folder of this
    # file.
    foreign = [os.path.realpath(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    sys.path[:] = [os.path.dirname(os.path.realpath(__file__)), *(p for p in sys.path if os.path.realpath(p) not in foreign)]

from launcher.process.ending import Ending, discard_output

if __name__ == "__main__":
    Ending().install()  # before the other imports, so that Ctrl+C during them is not an error

import argparse
import platform
import subprocess
import threading
import webbrowser
from pathlib import Path

from launcher import desktop_entry, run_tests
from launcher.commands import build_environment
from launcher.environment import prepare
from launcher.folder import Folder
from launcher.process.password import hand_over_password
from launcher.process.repair import EXIT_STATUS
from launcher.process.variables import STUDIO
from launcher.progress import PHASES, Progress
from launcher.progress_page import ProgressPage
from launcher.run_studio import run_studio
from launcher.setup_errors import SetupError, explain_output
from launcher.setup_lock import SetupLock
from launcher.update.update import go_back, update

COMMANDS = ("make", "upscale", "info", "list", "plan", "jobs", "key", "mcp", "quit")
"""The words that run in the terminal instead of starting the page, as in cli/__init__.py."""

REDIRECT = 10.0
"""Seconds that the page in the browser has to learn that Easel was already running at another address."""

EPILOG = "All other flags go to the studio (with --test: to pytest); once set up, --help lists the studio's too."


def parse(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Our flags, and the rest. Flags of the studio that concern the page too are read here and passed on."""
    flags = argparse.ArgumentParser(
        prog="launch", description="Set up Easel and start it.", epilog=EPILOG, add_help=False, allow_abbrev=False
    )
    flags.add_argument("--help", "-h", action="store_true", help="show this message and exit")
    flags.add_argument("--version", action="store_true", help="show Easel's version and exit")
    flags.add_argument("--port", type=int, default=7860, help="port of the page, or the next free one (7860)")
    flags.add_argument("--no-browser", action="store_true", help="do not open the page in the browser")
    flags.add_argument("--repair", action="store_true", help="download and install everything again")
    flags.add_argument("--setup-only", action="store_true", help="set up, do not start the studio")
    flags.add_argument("--extra", action="append", default=[], metavar="NAME", help="also install an extra: openvino, mcp")
    flags.add_argument(
        "--update",
        nargs="?",
        const="",
        metavar="FILE_OR_URL",
        help="put the newest version in place, from the remote of the clone or from this archive, and exit",
    )
    flags.add_argument("--back", action="store_true", help="return to the version before the last update, and exit")
    flags.add_argument("--desktop-entry", action="store_true", help="add Easel to the applications menu (Linux) and exit")
    flags.add_argument("--test", action="store_true", help="set up what the tests need and run them")
    flags.add_argument(
        "--long",
        nargs="?",
        const="tests",
        metavar="FOLDER",
        help="with --test: the long tests too, of all folders or of this one",
    )
    asked, rest = flags.parse_known_args(arguments)
    asked.usage = flags.format_help()
    return asked, rest


def main(arguments: list[str]) -> int:
    folder = Folder(Path(__file__).resolve().parent)
    if arguments[:1] and arguments[0] in COMMANDS:
        return run_command(folder, arguments)
    asked, rest = parse(arguments)
    if asked.help:
        return show_help(folder, asked.usage)
    if asked.version:
        print(f"Easel {folder.version}")
        return 0
    if asked.desktop_entry:
        print(f"Easel is in the applications menu: {desktop_entry.write_entry(folder)}", flush=True)
        return 0
    if asked.update is not None or asked.back:
        return change_version(folder, asked, rest)
    if asked.test:
        return run_tests.main(folder, [*run_tests.long_tests(folder, asked.long), *rest])
    return Launch(folder, asked, rest).run()


def run_command(folder: Folder, arguments: list[str]) -> int:
    """A command for the terminal, by the set-up that is there; its exit status."""
    if not folder.python.exists():
        print("Easel is not set up yet. Start it once without a command, or with --setup-only.", file=sys.stderr, flush=True)
        return 1
    return subprocess.call([str(folder.python), str(folder.root / "app.py"), *arguments], env=build_environment(STUDIO))


def change_version(folder: Folder, asked: argparse.Namespace, rest: list[str]) -> int:
    """Update or go back, unless another update is at work; the exit status."""
    lock = SetupLock(folder, "update")
    if not lock.acquire():
        print("Another update is at work in this folder. Wait until it is done, and try again.", file=sys.stderr, flush=True)
        return 1
    try:
        return go_back(folder, rest) if asked.back else update(folder, asked.update, rest)
    except (SetupError, OSError) as error:
        print(error if isinstance(error, SetupError) else explain_output([str(error)]), file=sys.stderr, flush=True)
        return 1
    finally:
        lock.release()


def show_help(folder: Folder, usage: str) -> int:
    """Our own flags, then the studio's when it can be asked."""
    print(usage, flush=True)
    if folder.python.exists():
        subprocess.run([str(folder.python), str(folder.root / "app.py"), "--help"], cwd=str(folder.root), check=False)
    return 0


class Launch:
    """One start: page, lock, set-up, studio; again from the set-up as often as the person asks for it."""

    def __init__(self, folder: Folder, asked: argparse.Namespace, rest: list[str]) -> None:
        self.folder, self.asked, self.rest = folder, asked, rest
        self.variables: dict[str, str] = {}
        self.progress = Progress(log_file=folder.state / "setup.log")
        self.page = ProgressPage(self.progress, desktop_entry.find_offer(folder))
        self.lock = SetupLock(folder)
        self.opened = False

    def run(self) -> int:
        try:
            taken = self.lock.acquire()
        except OSError as error:
            if self.asked.repair or not self.folder.was_finished(set(self.asked.extra)):
                self.serve()
                return self.after_failure(explain_output([str(error)]))
            taken = True  # there is nothing to set up, and nobody else can do so in a read-only folder
        other = None if taken else self.lock.find_other_page()
        if other:
            print(f"Another start of Easel is at work; its page is {other}", flush=True)
            self.show(other)
            return 0
        try:
            if not self.asked.setup_only:
                self.rest, self.variables = hand_over_password(self.rest, os.environ)
            self.serve()
            if not taken:
                self.progress.note("Another set-up is at work in this folder; Easel goes on when it is done.")
                self.lock.wait()
            self.lock.publish_page(self.page.url)
            return self.until_done()
        except KeyboardInterrupt:
            print("\nStopped. What was fetched so far is kept.")
            return 130
        except OSError as error:
            return self.after_failure(explain_output([str(error)]))
        finally:
            self.page.close()
            self.lock.release()

    def serve(self) -> None:
        """Open the page, and print its address if the wanted port was taken."""
        port = self.page.open(self.asked.port)
        if port != self.asked.port:
            self.progress.note(f"Port {self.asked.port} is busy, so this page is on {port}.")
        print(f"Easel is getting ready; see {self.page.url}", flush=True)
        if not self.asked.no_browser:
            self.show(self.page.url)

    def until_done(self) -> int:
        repair = self.asked.repair
        while True:
            try:
                prepare(self.folder, self.progress, set(self.asked.extra), anew=repair)
                code = 0 if self.asked.setup_only else self.studio()
                if code != EXIT_STATUS:
                    return code
                choice = self.reopen()
            except SetupError as failure:
                choice = self.choice_after(failure)
            if choice == "quit":
                return 1
            repair = choice == "repair"
            self.progress.restart()

    def reopen(self) -> str:
        """The choice made in the studio, to repair the set-up, after the page is back at the studio's address."""
        print("Easel repairs its set-up and starts again.", flush=True)
        self.lock.wait()
        if not self.page.is_open:
            self.page.open(self.page.port)
        self.lock.publish_page(self.page.url)
        return "repair"

    def studio(self) -> int:
        """Run the studio. The lock is released once its address is known: from then on the studio itself makes sure that it
        runs only once."""
        needed = {name: value for name, value in self.folder.read_installed().variables.items() if name not in os.environ}
        variables = {**needed, **self.variables}
        code = run_studio(self.folder, self.rest, variables, self.page, self.progress, self.lock.release)
        if self.page.is_open and (self.opened or self.page.last_seen):
            self.page.address_shown.wait(REDIRECT)
        return code

    def choice_after(self, failure: SetupError) -> str:
        """What to do next, as chosen on the page; "quit" if no page is open."""
        self.progress.fail(failure)
        if self.asked.setup_only or (self.asked.no_browser and not self.page.last_seen):
            return "quit"
        print(f"Choose how to go on at {self.page.url}, or press Ctrl+C.", flush=True)
        return self.page.wait_for_choice()

    def after_failure(self, failure: SetupError) -> int:
        self.progress.start_phase(PHASES[0].name)
        self.choice_after(failure)
        self.page.close()
        return 1

    def show(self, url: str) -> None:
        """Open ``url`` if a browser window can appear; a text browser in this terminal is not wanted."""
        names = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
        if platform.system() in ("Windows", "Darwin") or any(os.environ.get(name) for name in names):
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
            self.opened = True
        else:
            print(f"Open {url} in a browser on this computer.", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        discard_output()  # the reader is gone, and the studio ends with this process
        sys.exit(1)
