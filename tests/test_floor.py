"""Counting multiply–adds: by hand, and as published."""

import numpy as np
import onnx
import pytest
from benchmarks.floor import count_macs, count_node, profile_nodes
from onnx import TensorProto, helper, numpy_helper

from shotprint.weights import shipped_model


def constant(name, *shape):
    return numpy_helper.from_array(np.ones(shape, np.float32), name)


def write_model(path, nodes, inputs, weights=()):
    """Write a graph whose inputs are given as name=shape and whose output is ``out``."""
    values = [
        helper.make_tensor_value_info(
            name, TensorProto.BOOL if name == "flag" else TensorProto.FLOAT, shape
        )
        for name, shape in inputs.items()
    ]
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "graph", values, [out], weights)
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), path)
    return path


def make_branch(node, *weights):
    out = helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, None)
    return helper.make_graph([node], "branch", [], [out], weights)


def zeros(*shape):
    return np.zeros(shape, np.float32)


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (1, 5 * 6 * 16 * 8 * 9),  # places × channels out × channels in × kernel
        (4, 5 * 6 * 16 * 2 * 9),
        (8, 5 * 6 * 16 * 1 * 9),  # depthwise
    ],
)
def test_a_convolution_costs_what_its_groups_cost(tmp_path, groups, expected):
    node = helper.make_node(
        "Conv", ["x", "w", "b"], ["out"], group=groups, strides=[2, 2], pads=[1, 1, 1, 1]
    )
    weights = constant("w", 16, 8 // groups, 3, 3), constant("b", 16)
    path = write_model(tmp_path / "conv.onnx", [node], {"x": (1, 8, 10, 12)}, weights)
    assert count_macs(path, {"x": zeros(1, 8, 10, 12)}) == expected


@pytest.mark.parametrize("is_transposed", [0, 1])
def test_a_linear_layer_costs_rows_by_inner_by_columns(tmp_path, is_transposed):
    node = helper.make_node(
        "Gemm", ["x", "w", "b"], ["out"], transA=is_transposed, transB=1 - is_transposed
    )
    shape = (5, 3) if is_transposed else (3, 5)
    weights = constant("w", *((5, 7) if is_transposed else (7, 5))), constant("b", 7)
    path = write_model(tmp_path / "gemm.onnx", [node], {"x": shape}, weights)
    assert count_macs(path, {"x": zeros(*shape)}) == 3 * 5 * 7


def test_a_product_of_many_matrices_counts_each_and_nothing_but_products(tmp_path):
    nodes = [
        helper.make_node("Relu", ["x"], ["positive"]),
        helper.make_node("MatMul", ["positive", "w"], ["product"]),
        helper.make_node("Add", ["product", "product"], ["out"]),
    ]
    inputs = {"x": ("n", 4, 3, 5)}
    path = write_model(tmp_path / "product.onnx", nodes, inputs, [constant("w", 5, 7)])
    assert count_macs(path, {"x": zeros(2, 4, 3, 5)}) == 2 * 4 * 3 * 5 * 7


@pytest.mark.parametrize(("flag", "expected"), [(True, 12 * 6), (False, 4 * 6 * 6)])
def test_of_two_branches_the_one_that_was_taken_counts(tmp_path, flag, expected):
    conv = helper.make_node("Conv", ["x", "w"], ["yes"], group=4)
    product = helper.make_node("MatMul", ["x", "v"], ["no"])
    node = helper.make_node(
        "If",
        ["flag"],
        ["out"],
        then_branch=make_branch(conv, constant("w", 12, 1, 1)),
        else_branch=make_branch(product, constant("v", 6, 6)),
    )
    inputs = {"flag": (), "x": (1, 4, 6)}
    path = write_model(tmp_path / "if.onnx", [node], inputs)
    assert count_macs(path, {"flag": np.array(flag), "x": zeros(1, 4, 6)}) == expected


def test_arithmetic_that_is_not_counted_is_refused(tmp_path):
    node = helper.make_node("Einsum", ["x", "x"], ["out"], equation="ij,ij->i")
    path = write_model(tmp_path / "einsum.onnx", [node], {"x": (2, 3)})
    with pytest.raises(ValueError, match="Einsum; expected Conv, Gemm, MatMul"):
        count_macs(path, {"x": zeros(2, 3)})


def test_the_shipped_network_does_what_its_makers_published():
    """EfficientAT: 0.11 × 10⁹ multiply–adds for mn04 and 10 s of sound, front-end not counted."""
    nodes = profile_nodes(shipped_model(), {"waveform": zeros(1, 320_000)}, is_optimized=False)
    of_network = [node for node in nodes if "/logmel/" not in node["name"]]
    assert sum(map(count_node, of_network)) / 1e9 == pytest.approx(0.11, abs=0.005)
