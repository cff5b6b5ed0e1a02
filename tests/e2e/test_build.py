"""What `make build` packed for either architecture, and that the look at it sees what could be wrong."""

import importlib.util
import json
import py_compile
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import BUILD, link
from tools.check_build import problems

LAYER = Path("DependenciesLayer/python")
PACKAGE = Path("MusterLayer/python/muster")


@pytest.mark.parametrize("architecture", sorted({BUILD.name, "arm64"}))
def test_a_build_is_what_the_repository_says_for_its_architecture(architecture: str) -> None:
    assert problems(BUILD.parent / architecture, architecture) == []


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Path]:
    """Return a copy of the arm64 build, without its largest packages, whose files may be replaced."""
    large = shutil.ignore_patterns("botocore", "boto3", "aws_lambda_powertools")
    shutil.copytree(BUILD.parent / "arm64", tmp_path / "arm64", copy_function=link, ignore=large)
    yield tmp_path / "arm64"
    shutil.rmtree(tmp_path / "arm64")


def replace(file: Path, content: bytes) -> None:
    file.unlink(missing_ok=True)
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    replace(file, text.replace(old, new).encode())


def recompile(module: Path, mode: py_compile.PycInvalidationMode) -> None:
    Path(importlib.util.cache_from_source(str(module))).unlink()
    py_compile.compile(str(module), invalidation_mode=mode)


def without_bytecode(build: Path) -> None:
    Path(importlib.util.cache_from_source(str(build / PACKAGE / "wiring.py"))).unlink()


def with_checked_bytecode(build: Path) -> None:
    recompile(build / PACKAGE / "wiring.py", py_compile.PycInvalidationMode.CHECKED_HASH)


def with_timed_bytecode(build: Path) -> None:
    recompile(build / PACKAGE / "wiring.py", py_compile.PycInvalidationMode.TIMESTAMP)


def with_bytecode_of_another_version(build: Path) -> None:
    compiled = Path(importlib.util.cache_from_source(str(build / PACKAGE / "wiring.py")))
    replace(compiled, b"\0\0\r\n" + compiled.read_bytes()[4:])


def with_an_older_package(build: Path) -> None:
    module = build / PACKAGE / "wiring.py"
    replace(module, module.read_bytes() + b"# older\n")
    recompile(module, py_compile.PycInvalidationMode.UNCHECKED_HASH)


def with_bytecode_of_an_older_source(build: Path) -> None:
    module = build / PACKAGE / "wiring.py"
    source = module.read_bytes()
    with_an_older_package(build)
    replace(module, source)


def with_a_module_of_nobody(build: Path) -> None:
    module = build / PACKAGE / "left_over.py"
    module.write_text("")
    py_compile.compile(str(module), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


def without_a_module(build: Path) -> None:
    (build / PACKAGE / "wiring.py").unlink()


def with_another_machines_binary(build: Path) -> None:
    (binary,) = (build / LAYER / "pydantic_core").glob("*.so")
    header = bytearray(binary.read_bytes())
    header[18:20] = (0x3E).to_bytes(2, "little")
    replace(binary, bytes(header))


def with_another_machines_wheel(build: Path) -> None:
    (wheel,) = (build / LAYER).glob("pydantic_core-*.dist-info/WHEEL")
    edit(wheel, "_aarch64", "_x86_64")


def with_a_wheel_for_a_newer_system(build: Path) -> None:
    (wheel,) = (build / LAYER).glob("pydantic_core-*.dist-info/WHEEL")
    edit(wheel, "manylinux_2_17_", "manylinux_2_35_")


def with_another_version(build: Path) -> None:
    (information,) = (build / LAYER).glob("six-*.dist-info")
    information.rename(build / LAYER / "six-0.1.dist-info")


def without_a_package(build: Path) -> None:
    (information,) = (build / LAYER).glob("six-*.dist-info")
    shutil.rmtree(information)


def with_half_a_package(build: Path) -> None:
    (build / LAYER / "six.py").unlink()


def with_another_machine(build: Path) -> None:
    definition = json.loads((build / "onboard.asl.json").read_text())
    replace(build / "onboard.asl.json", json.dumps({**definition, "StartAt": "Report"}).encode())


def with_the_console(build: Path) -> None:
    (build / "MusterLayer" / "python" / "muster_console").mkdir()


@pytest.mark.parametrize(
    ("breaking", "complaint"),
    [
        (without_bytecode, "no bytecode for MusterLayer/python/muster/wiring.py"),
        (with_checked_bytecode, "the bytecode of MusterLayer/python/muster/wiring.py would be checked against"),
        (with_timed_bytecode, "the bytecode of MusterLayer/python/muster/wiring.py would be checked against"),
        (with_bytecode_of_another_version, "the bytecode of MusterLayer/python/muster/wiring.py is another version's"),
        (with_bytecode_of_an_older_source, "the bytecode of MusterLayer/python/muster/wiring.py was made of another"),
        (with_an_older_package, "python/muster/wiring.py in MusterLayer is not the repository's"),
        (with_a_module_of_nobody, "MusterLayer has python/muster/left_over.py, which is not in the repository"),
        (without_a_module, "MusterLayer lacks python/muster/wiring.py"),
        (with_another_machines_binary, ".so is not for arm64"),
        (with_another_machines_wheel, "has the wheel tag cp313-cp313-manylinux_2_17_x86_64"),
        (with_a_wheel_for_a_newer_system, "has the wheel tag cp313-cp313-manylinux_2_35_aarch64"),
        (with_another_version, "six is packed as 0.1, layers/dependencies/requirements.txt says "),
        (without_a_package, "six is packed as nothing, layers/dependencies/requirements.txt says "),
        (with_half_a_package, "six.py is missing, which six-"),
        (with_another_machine, "onboard.asl.json is not onboard.asl.yaml as JSON"),
        (with_the_console, "MusterLayer/python/muster_console must not be shipped"),
    ],
)
def test_what_is_wrong_with_a_build_is_named(copy: Path, breaking: Callable[[Path], None], complaint: str) -> None:
    before = problems(copy, "arm64")
    breaking(copy)
    found = set(problems(copy, "arm64")).difference(before)
    assert any(complaint in problem for problem in found), found
