"""An ONNX graph, put together node by node.

Belongs here: naming values, constants and nodes, and arithmetic that several learners share. Does not belong here: any learner.

Every number in a graph is a double, as in our own scoring: a model in single precision would differ in the seventh digit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from platform_assets.training.learners.base import Matrix

OPSET, TREES_OPSET, IR_VERSION = 18, 5, 10
"""ONNX's own operators, those for trees, and the file format; ONNX Runtime reads them from version 1.20 on."""
TREES_DOMAIN = "ai.onnx.ml"
INPUT, OUTPUT = "features", "score"


@dataclass(frozen=True)
class GraphValue:
    """A value in a graph: float64 [n, width]; a width of 1 is a probability or a value, more are the classes."""

    name: str
    width: int


class OnnxGraph:
    """Nodes and constants, in the order in which they are added."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, values: NDArray[Any] | float | list[Any]) -> str:
        """The name of a constant; floats are doubles."""
        from onnx import numpy_helper

        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def add(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node; the name of its only output."""
        from onnx import helper

        name = f"value_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [name], domain=domain, **attributes))
        return name

    def columns(self, value: str, places: list[int]) -> str:
        """Columns of [n, f], in the order of `places`."""
        return self.add("Gather", value, self.constant(np.array(places, dtype=np.int64)), axis=1)

    def scaled(self, value: str, mean: NDArray[Any], scale: NDArray[Any]) -> str:
        """(value - mean) / scale, column by column."""
        centred = self.add("Sub", value, self.constant(np.asarray(mean, dtype=np.float64)))
        return self.add("Div", centred, self.constant(np.asarray(scale, dtype=np.float64)))

    def affine(self, value: str, weights: Matrix, offsets: NDArray[Any]) -> str:
        """value @ weights + offsets."""
        product = self.add("MatMul", value, self.constant(np.asarray(weights, dtype=np.float64)))
        return self.add("Add", product, self.constant(np.asarray(offsets, dtype=np.float64)))

    def repeated(self, value: str, row: NDArray[Any]) -> str:
        """`row` float64 [k] once for every row of `value`."""
        first = self.add("Shape", value, start=0, end=1)
        shape = self.add("Concat", first, self.constant(np.array([len(row)], dtype=np.int64)), axis=0)
        return self.add("Expand", self.constant(np.asarray(row, dtype=np.float64)[np.newaxis]), shape)

    def file(self, output: GraphValue, inputs: int, properties: dict[str, str]) -> bytes:
        """The whole file, always the same bytes: `features` float64 [n, inputs] to `score` float64 [n, width]."""
        from onnx import TensorProto, checker, helper

        nodes = [*self._nodes, helper.make_node("Identity", [output.name], [OUTPUT])]
        given = helper.make_tensor_value_info(INPUT, TensorProto.DOUBLE, ["rows", inputs])
        result = helper.make_tensor_value_info(OUTPUT, TensorProto.DOUBLE, ["rows", output.width])
        graph = helper.make_graph(nodes, "model", [given], [result], initializer=self._constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(TREES_DOMAIN, TREES_OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="platform-assets")
        helper.set_model_props(model, dict(sorted(properties.items())))
        checker.check_model(model)
        return bytes(model.SerializeToString(deterministic=True))
