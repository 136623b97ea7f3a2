"""Makes a Windows to test in, on Debian: Wine, CPython for Windows, and what these two lack; kept in a cache.

As a command it makes it and says where it is: python tests/windows/build.py
"""

from __future__ import annotations

import hashlib
import marshal
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import filelock
from wine import PLACE, C, boot, environ, quietly

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
PACKAGES = ("wine", "wine64", "gcc-mingw-w64-x86-64", "maven", "xvfb", "locales")
PROGRAMS = ("wine", "x86_64-w64-mingw32-gcc", "x86_64-w64-mingw32-objdump", "mvn", "Xvfb", "localedef")
KOREAN = Path("/usr/share/i18n/locales/ko_KR")
GCC = "x86_64-w64-mingw32-gcc"
NOT_THERE = {  # of the test extra: what no test runs on Windows
    "ruff", "mypy", "types-psutil", "uv", "botocore", "paramiko", "moto", "flask", "flask-cors",
}  # fmt: skip
SPARE = (  # of the packaged library: a pip that no environment gets, tests, and what ends the process under Wine
    "pip", "pip-*", "setuptools", "setuptools-*", "_distutils_hack", "pkg_resources",
    "distutils-precedence.pth", "test", "lib2to3", "_wmi.pyd",
)  # fmt: skip


class Python(NamedTuple):
    """One CPython for Windows, as it is packaged for Java programs."""

    version: str  # 3.11.3
    artifact: str  # the version of the package

    @property
    def minor(self) -> str:
        """3.11"""
        return ".".join(self.version.split(".")[:2])

    @property
    def folder(self) -> str:
        """Its folder on C:, and in the rig."""
        return "Python" + self.minor.replace(".", "")


PYTHONS = (Python("3.11.3", "3.11.3-1.5.9"), Python("3.13.5", "3.13.5-1.5.12"))


class Lacking(Exception):
    """What this machine needs first: whole lines for a person."""


def built() -> Path:
    """The folder of the rig, made first when it is not there; raises Lacking."""
    if missing := lacking():
        raise Lacking(missing)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "autosys-windows"
    cache.mkdir(parents=True, exist_ok=True)
    rig = cache / key()
    with filelock.FileLock(cache / "lock"):
        if not rig.exists():
            scratch = cache / "unfinished"
            shutil.rmtree(scratch, ignore_errors=True)
            build(scratch)
            scratch.replace(rig)
    return rig


def lacking() -> str:
    """Why there can be no rig here and what to type; "" when all that it is made of is there."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if not KOREAN.exists():
        missing.append(str(KOREAN))
    if not missing:
        return ""
    return f"a Windows to test in needs {', '.join(missing)}; type: apt-get install {' '.join(PACKAGES)}"


def key() -> str:
    """What a rig is made of, in 16 hex digits: another one is made when any of it changes."""
    wine = subprocess.run(["wine", "--version"], capture_output=True, check=True).stdout
    parts = [wine, *(path.read_bytes() for path in sorted((HERE / "stand_ins").iterdir()))]
    parts += [(HERE / name).read_bytes() for name in ("build.py", "wine.py")]
    parts += [one.encode() for one in requirements()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say what is being done."""
    sys.stderr.write(f"windows: {what}\n")
    sys.stderr.flush()
    yield


def run(*argv: str | Path, **more: object) -> str:
    """A command's stdout; its stderr is shown, and a bad exit code is an error."""
    return subprocess.run(list(map(str, argv)), check=True, stdout=subprocess.PIPE, text=True, **more).stdout  # type: ignore[call-overload, no-any-return]


def build(rig: Path) -> None:
    """All of it, into a new folder that may be renamed afterwards."""
    rig.mkdir()
    with step("compiling a Korean locale"):
        (rig / "locale").mkdir()
        run("localedef", "-i", "ko_KR", "-f", "UTF-8", "--no-archive", rig / "locale" / "ko_KR.UTF-8")
    for python in PYTHONS:
        with step(f"unpacking CPython {python.version} for Windows"):
            unpack(python, rig / python.folder)
            complete(python, rig / python.folder)
        with step(f"fetching its wheels ({python.minor})"):
            install(python, rig)
    with step("installing a Windows"):
        make_prefix(rig)
        for python in PYTHONS:
            compile_all(python, rig)
            pack(rig / python.folder)
    with step("ready"):
        pass


def unpack(python: Python, folder: Path) -> None:
    """The interpreter and its library, out of the package, less what is of no use here."""
    name = f"org.bytedeco:cpython:{python.artifact}:jar:windows-x86_64"
    run("mvn", "-q", "-B", "-Dstyle.color=never", "dependency:get", "-Dtransitive=false", f"-Dartifact={name}")
    file = f"cpython-{python.artifact}-windows-x86_64.jar"
    jar = Path.home() / ".m2/repository/org/bytedeco/cpython" / python.artifact / file
    inside = "org/bytedeco/cpython/windows-x86_64/"
    with zipfile.ZipFile(jar) as archive:
        for member in archive.infolist():
            if member.filename.startswith(inside) and not member.is_dir():
                target = folder / re.sub("^lib/", "Lib/", member.filename.removeprefix(inside))
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(member))
    shutil.copy(folder / "bin" / "pythonw.exe", folder)
    for pattern in SPARE:
        for path in (folder / "Lib").glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def complete(python: Python, folder: Path) -> None:
    """What the package lacks: the stable interface's library, the launchers; and what Wine cannot do, removed."""
    names = stable_names(folder / f"{python.folder.lower()}.dll")
    forwards = "".join(f"  {name} = {python.folder.lower()}.{name}\n" for name in names)
    exports = folder / "python3.def"
    exports.write_text(f"LIBRARY python3.dll\nEXPORTS\n{forwards}", encoding="ascii")
    library("python3.c", folder / "python3.dll", str(exports))
    old = python.minor < "3.13"
    for window, flag in (("", "-mconsole"), ("w", "-mwindows")):
        name = f"python{window}.exe" if old else f"venv{window}launcher.exe"
        target = folder / "Lib/venv/scripts/nt" / name
        options = ["-DNAMES_THE_BASE"] if old else []
        program = f'-DPROGRAM=L"python{window}.exe"'
        run(GCC, "-O1", "-s", *options, program, flag, "-o", target, HERE / "stand_ins" / "launcher.c")
    if not old:  # Wine 8 has no CopyFile2, and ends who calls it
        path = folder / "Lib" / "shutil.py"
        text = path.read_text(encoding="utf-8")
        asks = 'hasattr(_winapi, "CopyFile2")'
        if asks not in text:
            raise RuntimeError(f"{path} no longer asks for CopyFile2")
        path.write_text(text.replace(asks, "False"), encoding="utf-8", newline="\n")


def library(source: str, target: Path, *more: str) -> None:
    """Compile one of the stand-ins into a DLL that needs no C library."""
    run(GCC, "-shared", "-nostdlib", "-Wl,-e,start", "-o", target, HERE / "stand_ins" / source, *more)


def stable_names(dll: Path) -> list[str]:
    """The functions that the interpreter's library exports."""
    told = run("x86_64-w64-mingw32-objdump", "-p", dll)
    table = told.partition("[Ordinal/Name Pointer]")[2].partition("\n\n")[0]
    return re.findall(r"\b(_?Py\w+)$", table, re.MULTILINE)


def requirements() -> list[str]:
    """What the project, its build and its tests need on Windows."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    extra = project["project"]["optional-dependencies"]["test"]
    tests = [one for one in extra if re.split(r"[<>=!~ \[]", one)[0] not in NOT_THERE]
    return [*project["project"]["dependencies"], *tests, *project["build-system"]["requires"], "editables"]


def install(python: Python, rig: Path) -> None:
    """Wheels for `pip install` inside, and the same installed beside the interpreter."""
    uv = [sys.executable, "-m", "uv", "pip"]
    target = ["--python-platform", "x86_64-pc-windows-msvc", "--python-version", python.minor]
    wanted = "\n".join(requirements())
    pins = rig / f"{python.folder}.txt"
    compiled = run(*uv, "compile", "-q", "--no-header", "--no-annotate", *target, "-", input=wanted)
    pins.write_text(compiled, encoding="utf-8")
    wheels = rig / "wheels"
    fetch = ["download", "-q", "--no-deps", "--only-binary", ":all:", "-d", wheels, "-r", pins]
    kind = ["--platform", "win_amd64", "--python-version", python.minor]
    run(sys.executable, "-m", "uv", "tool", "run", "-q", "pip", *fetch, *kind)
    beside = rig / python.folder / "Lib" / "site-packages"
    here = ["--no-index", "--find-links", str(wheels), "--link-mode", "copy"]
    run(*uv, "install", "-q", *target, *here, "--target", beside, "-r", pins)
    checkout = f"import sys; sys.path.append({f'C:{chr(92)}{PLACE}'!a})\n"
    (beside / "autosys.pth").write_text(checkout, encoding="ascii")


def make_prefix(rig: Path) -> None:
    """An installed Windows 10 of a Korean user, small enough to be copied for each run."""
    home = rig / "home"
    home.mkdir()
    prefix = rig / "prefix"
    env = environ(rig, prefix, home)
    boot(env, first=True)
    quietly(env, "wine", "winecfg", "-v", "win10")
    set_number(env, r"HKCU\Software\Wine\WineDbg", "ShowCrashDialog", 0)
    # Without the mount manager nothing tells a volume's serial number, for which Wine asks it at every os.stat: 84 us
    # instead of 240, and a command that starts in 0.48 s instead of 0.70.
    set_number(env, r"HKLM\System\CurrentControlSet\Services\MountMgr", "Start", 4)
    quietly(env, "wineserver", "-w")
    library("bcryptprimitives.c", prefix / C / "windows/system32/bcryptprimitives.dll", "-ladvapi32")
    shrink(prefix / C)
    for link in [path for path in (prefix / C / "users").rglob("*") if path.is_symlink()]:
        link.unlink()  # Desktop, Documents and the like point into HOME
        link.mkdir()
    for name in ("wheels", *(python.folder for python in PYTHONS)):
        (prefix / C / name).symlink_to(Path("../..") / name)


def set_number(env: dict[str, str], key: str, name: str, number: int) -> None:
    """Write a number into the registry."""
    quietly(env, "wine", "reg", "add", key, "/v", name, "/t", "REG_DWORD", "/d", str(number), "/f", check=True)


def shrink(drive: Path) -> None:
    """Replace each copy of Wine's own files by a link to it: 695 MB become 13."""
    originals = next(Path("/usr/lib").glob("*/wine/x86_64-windows"))
    for path in drive.rglob("*"):
        original = originals / path.name
        if path.is_symlink() or not path.is_file() or not original.is_file():
            continue
        if path.stat().st_size == original.stat().st_size and path.read_bytes() == original.read_bytes():
            path.unlink()
            path.symlink_to(original)


def compile_all(python: Python, rig: Path) -> None:
    """Byte code of everything once, so that no run writes into the rig."""
    env = environ(rig, rig / "prefix", rig / "home")
    exe = rig / python.folder / "python.exe"
    quietly(env, "wine", str(exe), "-m", "compileall", "-q", f"C:\\{python.folder}\\Lib", check=True)
    quietly(env, "wineserver", "-k")


def pack(folder: Path) -> None:
    """The library's byte code in one file, for sitecustomize.py: opening files is what Wine is slow at."""
    shutil.copy(HERE / "stand_ins" / "sitecustomize.py", folder / "Lib")
    codes: list[bytes] = []
    folders: dict[str, tuple[dict[str, tuple[bool, int, int]], list[str]]] = {}
    where = 0
    for place in [folder, *sorted(path.parent for path in (folder / "Lib").rglob("__pycache__"))]:
        modules: dict[str, tuple[bool, int, int]] = {}
        for name, is_package, file in compiled(place):
            codes.append(file.read_bytes()[16:])  # less the header, which says of which source it is
            modules[name] = is_package, where, len(codes[-1])
            where += len(codes[-1])
        others = {path.name.split(".")[0] for path in place.iterdir()} - modules.keys()
        folders["".join(f"\\{part}" for part in place.relative_to(folder).parts)] = modules, sorted(others)
    index = marshal.dumps(folders, 2)  # a form that each Python reads
    (folder / "library").write_bytes(b"".join((len(index).to_bytes(8, "little"), index, *codes)))


def compiled(place: Path) -> Iterator[tuple[str, bool, Path]]:
    """(name, whether it is a package, its byte code) of each module in a folder that is what its name is imported as:
    a package goes before an extension, and that before a source."""
    extensions = {path.name.split(".")[0] for path in place.glob("*.pyd")}
    packages = {path.parent.name for path in place.glob("*/__init__.py")}
    plain = {path.stem for path in place.glob("*.py")} - packages - extensions
    for name in sorted(filter(str.isidentifier, packages | plain)):
        folder, stem = (place / name, "__init__") if name in packages else (place, name)
        for file in (folder / "__pycache__").glob(f"{stem}.cpython-*[0-9].pyc"):
            yield name, name in packages, file


if __name__ == "__main__":
    try:
        print(built())
    except Lacking as error:
        sys.exit(f"windows: {error}")
