"""In the rig's Pythons: the library's byte code out of one file, which is opened once; Wine is slow at opening files.

Each module has the name, file and folder that it has without this. `build.py` packs the file.
"""

import _imp
import _thread
import io
import marshal
import sys
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES, ExtensionFileLoader, FileFinder, SourceFileLoader
from importlib.util import spec_from_file_location

base = sys.base_prefix
packed = io.FileIO(base + "\\library")  # open until the process ends; no child inherits it
# {folder: ({module: (is a package, where, how many bytes)}, names of whatever else lies in the folder)}
size = int.from_bytes(packed.read(8), "little")
folders = marshal.loads(packed.read(size))
begin = 8 + size
one_at_a_time = _thread.allocate_lock()


class Loader(SourceFileLoader):
    """Loads what is packed; all but the code comes from the file, as ever."""

    def __init__(self, name, path, where, size):
        super().__init__(name, path)
        self.where, self.size = where, size

    def get_code(self, fullname):
        with one_at_a_time:
            packed.seek(begin + self.where)
            code = packed.read(self.size)
        made = marshal.loads(code)
        _imp._fix_co_filename(made, self.path)  # compiled where the rig was made
        return made


class Finder(FileFinder):
    """Finds what is packed without a look at the disk, and anything else as ever."""

    def __init__(self, path, modules, others):
        super().__init__(path, (ExtensionFileLoader, EXTENSION_SUFFIXES), (SourceFileLoader, SOURCE_SUFFIXES))
        self.modules, self.others = modules, others

    def find_spec(self, fullname, target=None):
        name = fullname.rpartition(".")[2]
        if name not in self.modules:
            return super().find_spec(fullname, target) if name in self.others else None
        package, where, size = self.modules[name]
        file = f"{self.path}\\{name}\\__init__.py" if package else f"{self.path}\\{name}.py"
        inside = [f"{self.path}\\{name}"] if package else None
        loader = Loader(fullname, file, where, size)
        return spec_from_file_location(fullname, file, loader=loader, submodule_search_locations=inside)


def hook(path):
    if path.startswith(base) and path[len(base) :] in folders:
        return Finder(path, *folders[path[len(base) :]])
    raise ImportError


sys.path_hooks.insert(0, hook)
sys.path_importer_cache.clear()
