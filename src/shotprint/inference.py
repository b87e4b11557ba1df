"""Opening the model files of shotprint in ONNX Runtime; what they state of themselves."""

from enum import StrEnum
from pathlib import Path
from typing import Any

from shotprint.errors import ShotprintError

METADATA_KEY = "shotprint"


class Precision(StrEnum):
    """In what a smaller model file keeps its weights; with ``int8`` layers compute in it, too."""

    FLOAT16 = "float16"
    INT8 = "int8"


def open_session(path: Path, threads: int) -> Any:
    """Open an ONNX file on the CPU.

    Raises
    ------
    ShotprintError : no such file, no ONNX file, or half of one
    """
    if not path.is_file():
        raise ShotprintError(f"there is no file {path}; expected a model (.onnx)")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong is raised, and said in one line
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001  # the errors of ONNX Runtime share no base class
        reason = " ".join(str(error).split())[:200]
        raise ShotprintError(
            f"{path} cannot be opened as an ONNX model ({reason}); it may be half a file or of "
            "another kind: copy or export it again"
        ) from None


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
