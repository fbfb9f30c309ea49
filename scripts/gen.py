"""Generate gen/ from proto/: Python modules, their types, one descriptor set, one archive.

Run as `python -m scripts.gen`, or with `--check` to fail where gen/ is not what proto/ says.
"""

import argparse
import filecmp
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

ROOT = Path(__file__).resolve().parent.parent
GEN = ROOT / "gen"
PROTO = ROOT / "proto"
GOOGLEAPIS = ROOT / "third_party" / "googleapis"
PROTOVALIDATE = ROOT / "third_party" / "protovalidate"
DESCRIPTORS = "voipbin/descriptors.binpb"
ARCHIVE = "voipbin/protos.zip"
ARCHIVE_README = ROOT / "proto" / "README.md"
PROTOC_TIMEOUT_S = 120


def proto_files(module: Path) -> list[str]:
    """Return the module's proto files, as the paths that import statements use, sorted."""
    return sorted(str(path.relative_to(module)) for path in module.rglob("*.proto"))


def protoc(arguments: list[str]) -> None:
    """Run the protoc that grpcio-tools bundles, with every module on its path.

    Raises:
        subprocess.CalledProcessError: a contract does not compile; protoc has said why.
        subprocess.TimeoutExpired: protoc did not end in time.
    """
    includes = [f"--proto_path={module}" for module in (PROTO, GOOGLEAPIS, PROTOVALIDATE)]
    command = [sys.executable, "-m", "grpc_tools.protoc", *includes, *arguments]
    subprocess.run(command, check=True, timeout=PROTOC_TIMEOUT_S)


def write_modules(out: Path, files: list[str], *, services: bool) -> None:
    """Write the messages' modules and stubs, and the services' where they have some."""
    # Not resolved: the plugins lie beside the environment's own interpreter, not behind its link.
    plugins = Path(sys.executable).parent
    arguments = [
        f"--plugin=protoc-gen-mypy={plugins / 'protoc-gen-mypy'}",
        f"--python_out={out}",
        f"--mypy_out=quiet:{out}",
    ]
    if services:
        arguments += [
            f"--plugin=protoc-gen-mypy_grpc={plugins / 'protoc-gen-mypy_grpc'}",
            f"--grpc_python_out={out}",
            # Every node runs on grpc.aio, so only the async shapes are true.
            f"--mypy_grpc_out=quiet,only_async:{out}",
        ]
    protoc([*arguments, *files])


def drop_empty_service_modules(out: Path, descriptors: FileDescriptorSet) -> None:
    """Remove the `_pb2_grpc` modules of files that declare no service."""
    for file in descriptors.file:
        if not file.service:
            for suffix in (".py", ".pyi"):
                stem = file.name.removesuffix(".proto")
                (out / f"{stem}_pb2_grpc{suffix}").unlink(missing_ok=True)


def write_descriptors(out: Path, files: list[str]) -> FileDescriptorSet:
    """Write every contract with its imports, and the comments of our own, as one set."""
    path = out / DESCRIPTORS
    path.parent.mkdir(parents=True, exist_ok=True)
    protoc(["--include_imports", "--include_source_info", f"--descriptor_set_out={path}", *files])
    descriptors = FileDescriptorSet.FromString(path.read_bytes())
    for file in descriptors.file:
        if not file.name.startswith("voipbin/"):
            file.ClearField("source_code_info")
    path.write_bytes(descriptors.SerializeToString(deterministic=True))
    return descriptors


def write_archive(out: Path) -> None:
    """Write every contract, and what they import, as one archive that compiles by itself.

    It is the same in every run: nothing is compressed, and every file is as old as ZIP itself.
    """
    with zipfile.ZipFile(out / ARCHIVE, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo("README.md"), ARCHIVE_README.read_bytes())
        for module in (PROTO, GOOGLEAPIS, PROTOVALIDATE):
            for name in proto_files(module):
                archive.writestr(zipfile.ZipInfo(name), (module / name).read_bytes())


def write_package_files(out: Path) -> None:
    """Make each directory a package, and each top package a typed one."""
    directories = [path for path in out.rglob("*") if path.is_dir()]
    for directory in directories:
        (directory / "__init__.py").write_text(
            '"""Generated from proto/ by `make gen`; never edited."""\n'
        )
        if directory.parent == out:
            (directory / "py.typed").touch()


def generate(out: Path) -> None:
    """Generate everything into the empty directory `out`."""
    contracts = proto_files(PROTO)
    write_modules(out, contracts, services=True)
    # google.* comes from googleapis-common-protos; no package ships buf.validate.
    write_modules(out, proto_files(PROTOVALIDATE), services=False)
    drop_empty_service_modules(out, write_descriptors(out, contracts))
    write_archive(out)
    write_package_files(out)


def generated_files(out: Path) -> set[str]:
    """Return the paths of generated files below `out`, without what Python caches there."""
    return {
        str(path.relative_to(out))
        for path in out.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def stale_files(fresh: Path, present: Path) -> list[str]:
    """Return the files that differ between two generated trees, or exist in one only."""
    names = sorted(generated_files(fresh) | generated_files(present))
    _, different, absent = filecmp.cmpfiles(fresh, present, names, shallow=False)
    return sorted([*different, *absent])


def replace(fresh: Path, present: Path) -> None:
    """Bring `present` to the state of `fresh`, touching only the files that differ.

    Others may be importing from it meanwhile, so it is never emptied first.
    """
    for name in stale_files(fresh, present):
        if (fresh / name).exists():
            (present / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(fresh / name, present / name)
        else:
            (present / name).unlink()


def main() -> int:
    """Generate, or check that nothing is left to generate; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only, change nothing")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        fresh = Path(directory)
        try:
            generate(fresh)
        except subprocess.CalledProcessError:
            return 1  # protoc has already named the file and the line.
        if not options.check:
            replace(fresh, GEN)
            return 0
        stale = stale_files(fresh, GEN)
    for name in stale:
        print(f"gen/{name} is not what proto/ says; run `make gen`.", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
