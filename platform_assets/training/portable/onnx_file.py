"""A whole model as one ONNX file: missing and clipped values, the learner, and classes that no training row had.

Belongs here: the file, and its scores by ONNX Runtime. Does not belong here: learners (`learners.py`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from platform_assets.training.learners.base import Matrix
from platform_assets.training.portable.graph import INPUT, OUTPUT, GraphValue, OnnxGraph
from platform_assets.training.portable.learners import add_model
from platform_assets.training.predictor import Imputation, Predictor


def write_onnx(predictor: Predictor, path: Path) -> None:
    """Write a model as ONNX: `features` float64 [n, f], NaN is missing, to `score` float64 [n, 1], or [n, K] of K classes.

    The same model gives the same bytes.

    Raises:
        NotPortable: its learner cannot be written in ONNX.
    """
    graph = OnnxGraph()
    inputs = len(predictor.features)
    filled = GraphValue(_filled(graph, predictor.imputation), inputs)
    part = add_model(graph, predictor.learner, predictor.fitted, filled)
    if predictor.classes:
        part = _all_classes(graph, part, predictor)
    properties = {
        "features": ",".join(predictor.features),
        "model": predictor.digest or "",
        "learner": predictor.learner,
    }
    if predictor.classes:
        properties["classes"] = ",".join(predictor.classes)
    path.write_bytes(graph.file(part, inputs, properties))


def onnx_scores(path: Path, X: Matrix) -> Matrix:
    """What ONNX Runtime, with one thread, answers from a file of `write_onnx`: float64 [n, 1] or [n, K]."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    [scores] = session.run([OUTPUT], {INPUT: np.ascontiguousarray(X, dtype=np.float64)})
    return np.asarray(scores, dtype=np.float64)


def _filled(graph: OnnxGraph, imputation: Imputation) -> str:
    """Values clipped, and missing ones replaced."""
    missing = graph.add("IsNaN", INPUT)
    held = INPUT
    if imputation.bounds is not None:
        least, most = (graph.constant(bound[np.newaxis]) for bound in imputation.bounds)
        held = graph.add("Min", graph.add("Max", INPUT, least), most)
    return graph.add("Where", missing, graph.constant(imputation.values[np.newaxis]), held)


def _all_classes(graph: OnnxGraph, part: GraphValue, predictor: Predictor) -> GraphValue:
    """Probabilities of the classes that were seen as probabilities of all: 0 for the others."""
    name, classes = part.name, len(predictor.classes)
    seen = np.flatnonzero(predictor.trained_on.class_rows)
    if part.width == 1:
        other = graph.add("Sub", graph.constant(np.float64(1.0)), name)
        name = graph.add("Concat", other, name, axis=1)
    if len(seen) == classes:
        return GraphValue(name, classes)
    placed = np.zeros((len(seen), classes))
    placed[np.arange(len(seen)), seen] = 1.0
    return GraphValue(graph.add("MatMul", name, graph.constant(placed)), classes)
