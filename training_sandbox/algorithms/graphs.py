"""The graphs of what the algorithms learn. A result is a graph like a partner's, so gate, certificate and client
fit.
"""

from training_sandbox.graph.format import Graph, Node, Ref, Tensor

INPUT = "input"


def affine(width: int, outputs: int) -> Graph:
    """Return ``weight @ x + bias``, (1, outputs)."""
    return Graph(
        inputs=(Tensor(INPUT, "float32", (1, width)),),
        parameters=(Tensor("weight", "float32", (outputs, width)), Tensor("bias", "float32", (outputs,))),
        nodes=(Node("linear.default", (Ref(INPUT), Ref("weight"), Ref("bias")), (), ("score",)),),
        output="score",
    )


def stairs(width: int, edges: int, outputs: int) -> Graph:
    """Return ``bias + weight @ (choose @ x + edge >= 0)``: sums of step functions, ``edges`` of them on each
    feature.
    """
    count = width * edges
    return Graph(
        inputs=(Tensor(INPUT, "float32", (1, width)),),
        parameters=(
            Tensor("choose", "float32", (count, width)),
            Tensor("edge", "float32", (count,)),
            Tensor("weight", "float32", (outputs, count)),
            Tensor("bias", "float32", (outputs,)),
        ),
        nodes=(
            Node("linear.default", (Ref(INPUT), Ref("choose"), Ref("edge")), (), ("above",)),
            Node("ge.Scalar", (Ref("above"), 0), (), ("passed",)),
            Node("to.dtype", (Ref("passed"), "float32"), (), ("step",)),
            Node("linear.default", (Ref("step"), Ref("weight"), Ref("bias")), (), ("score",)),
        ),
        output="score",
    )
