"""Opening the model files of shotprint in ONNX Runtime; what they state of themselves."""

import contextlib
import os
import re
from enum import StrEnum
from pathlib import Path
from typing import Any

from shotprint.errors import ShotprintError

METADATA_KEY = "shotprint"
_ON_CPU, _ON_CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


class Precision(StrEnum):
    """In what a smaller model file keeps its weights; with ``int8`` layers compute in it, too."""

    FLOAT16 = "float16"
    INT8 = "int8"


def import_runtime() -> Any:
    """Return ONNX Runtime, which is told to tell nobody of its use.

    From version 1.29 it notes what models are opened, and on what machine, and sends that to its
    makers; evidence is nobody's business. It must be told before it is imported.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # for whoever imported it before
    return onnxruntime


def open_session(
    path: Path, threads: int, device: str = "cpu", plan: bool = True
) -> tuple[Any, str]:
    """Open an ONNX file.

    Parameters
    ----------
    threads : of one call, on the CPU
    device : ``cpu``; ``cuda`` or ``cuda:N``; ``auto``: the first GPU if ONNX Runtime can use it
    plan : lay out the memory of a call once for each shape of its input: sooner done where shapes
        repeat, but what is laid out is more

    Returns
    -------
    session, and the device it runs on: ``cpu`` or ``cuda:N``

    Raises
    ------
    ShotprintError
        No such file, no ONNX file, or half of one; no such device, or ONNX Runtime cannot use it.
    """
    if not path.is_file():
        raise ShotprintError(f"there is no file {path}; expected a model (.onnx)")
    onnxruntime = import_runtime()
    kind, number = parse_device(device)
    has_cuda = _ON_CUDA in onnxruntime.get_available_providers()
    if kind == "cuda" and not has_cuda:
        raise ShotprintError(
            f"device {device} was asked for, but onnxruntime {onnxruntime.__version__} is without "
            "CUDA; install onnxruntime-gpu in place of onnxruntime, or give --device cpu"
        )
    providers: list[Any] = [_ON_CPU]
    if kind != "cpu" and has_cuda:
        onnxruntime.set_default_logger_severity(4)  # what it cannot load is said below
        with contextlib.redirect_stdout(None), contextlib.suppress(RuntimeError, OSError):
            onnxruntime.preload_dlls()  # those that pip installed
        providers.insert(0, (_ON_CUDA, {"device_id": number}))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = plan or len(providers) > 1
    options.log_severity_level = 4  # what goes wrong is raised, and said in one line
    try:
        session = onnxruntime.InferenceSession(path, options, providers=providers)
    except Exception as error:  # noqa: BLE001  # the errors of ONNX Runtime share no base class
        reason = " ".join(str(error).split())[:200]
        raise ShotprintError(
            f"{path} cannot be opened as an ONNX model ({reason}); it may be half a file or of "
            "another kind: copy or export it again"
        ) from None
    is_on_gpu = _ON_CUDA in session.get_providers()
    if kind == "cuda" and not is_on_gpu:
        raise ShotprintError(
            f"onnxruntime {onnxruntime.__version__} cannot use GPU {number}; expected a driver, "
            "CUDA and cuDNN that suit it (see nvidia-smi), or give --device cpu"
        )
    return session, f"cuda:{number}" if is_on_gpu else "cpu"


def parse_device(device: str) -> tuple[str, int]:
    """Return ``auto``, ``cpu`` or ``cuda``, and which GPU; ShotprintError if it is none of them."""
    found = re.fullmatch(r"(auto|cpu|cuda)|cuda:(\d{1,3})", device)
    if found is None:
        raise ShotprintError(f"found device {device!r}; expected auto, cpu, cuda or cuda:N")
    return found[1] or "cuda", int(found[2] or 0)


def read_metadata_text(session: Any, path: Path) -> str:
    """Return the JSON that a model file of shotprint holds; ShotprintError where there is none."""
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if text is None:
        raise ShotprintError(
            f"{path} is an ONNX model, but none of shotprint's: it has no metadata "
            f"{METADATA_KEY!r}; expected a file written by shotprint"
        )
    return str(text)


def parse_metadata(text: str, schema: str) -> dict[str, Any]:
    """Return the metadata without their schema; ShotprintError where that is another one."""
    import json

    try:
        content = dict(json.loads(text))
    except (ValueError, TypeError) as error:
        raise ShotprintError(f"its metadata are no JSON object ({error})") from None
    found = content.pop("schema", None)
    if found != schema:
        raise ShotprintError(
            f"its metadata are of schema {found!r}, this version of shotprint reads "
            f"{schema!r}; install a newer shotprint or export the model again"
        )
    return content
