from dataclasses import replace

import pytest

from policies.errors import GraphRefused
from training_sandbox.graph.check import preflight
from training_sandbox.graph.format import Node, Ref


def test_the_cost_of_a_model_is_counted_on_tensors_without_values(make_graph):
    cost = preflight(make_graph(), outputs=2)
    assert (cost.parameters, cost.output) == (5 * 4 + 4 + 4 * 2 + 2, (1, 2))
    assert cost.activation_bytes >= 4 * (4 + 4 + 2)


def test_a_small_file_that_asks_for_terabytes_is_refused(make_graph):
    graph = make_graph()
    bomb = Node("expand.default", (Ref("x"), (10**12, 5)), (), ("boom",))
    with pytest.raises(GraphRefused, match="MT-SIZE"):
        preflight(replace(graph, nodes=(bomb, *graph.nodes)))


def test_shapes_that_do_not_fit_are_refused(make_graph):
    graph = make_graph()
    wrong = Node("bmm.default", (Ref("x"), Ref("x")), (), ("boom",))
    with pytest.raises(GraphRefused, match="MT-SHAPE: shapes or types do not fit"):
        preflight(replace(graph, nodes=(wrong, *graph.nodes)))


def test_a_wrong_number_of_list_members_is_refused(make_graph):
    graph = make_graph()
    wrong = Node("chunk.default", (Ref("x"), 5, 1), (), ("one", "two"))
    with pytest.raises(GraphRefused, match="MT-SHAPE"):
        preflight(replace(graph, nodes=(wrong, *graph.nodes)))


@pytest.mark.parametrize("outputs", [1, 3])
def test_an_output_that_does_not_fit_the_task_is_refused(make_graph, outputs):
    with pytest.raises(GraphRefused, match="the task needs"):
        preflight(make_graph(), outputs=outputs)


def test_several_inputs_are_fed_from_one_row(make_graph):
    graph = make_graph()
    two = replace(graph, inputs=(*graph.inputs, replace(graph.inputs[0], name="y")))
    assert preflight(two, outputs=2).output == (1, 2)
