"""GRU and LSTM as what they are made of: linear, sigmoid, tanh. torch's fused kernels know no batching rule.

Every matrix product goes through ``run.call``, so an engine sees them all. The partner's client carries this file
unchanged.

Source: ``torch.nn.GRU`` and ``torch.nn.LSTM`` of PyTorch 2.13 (gate order r z n and i f g o, layer by layer, backward
direction last).
"""

from collections.abc import Callable
from typing import Any

import torch

Step = Callable[[Any, torch.Tensor, Any, Any], tuple[torch.Tensor, Any]]


def gru(
    run: Any,
    x: torch.Tensor,
    hx: torch.Tensor,
    params: list[Any],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what ``aten.gru.input`` gives: (outputs, last states)."""

    def start(place: int) -> Any:
        return hx[place]

    def step(inside: torch.Tensor, state: torch.Tensor, weight: Any, bias: Any) -> tuple[torch.Tensor, torch.Tensor]:
        ir, iz, new = inside.chunk(3, -1)
        hr, hz, hn = run.call("linear.default", state, weight, bias).chunk(3, -1)
        update, candidate = torch.sigmoid(iz + hz), torch.tanh(new + torch.sigmoid(ir + hr) * hn)
        state = candidate + update * (state - candidate)
        return state, state

    outputs, states = _layers(
        run, x, params, has_biases, num_layers, dropout if train else 0.0, bidirectional, batch_first, start, step
    )
    return outputs, torch.stack(states)


def lstm(
    run: Any,
    x: torch.Tensor,
    hx: list[torch.Tensor],
    params: list[Any],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return what ``aten.lstm.input`` gives: (outputs, last hidden states, last cell states)."""

    def start(place: int) -> Any:
        return hx[0][place], hx[1][place]

    def step(inside: torch.Tensor, state: Any, weight: Any, bias: Any) -> tuple[torch.Tensor, Any]:
        hidden, cell = state
        gates = inside + run.call("linear.default", hidden, weight, bias)
        i, f, g, o = gates.chunk(4, -1)
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
        hidden = torch.sigmoid(o) * torch.tanh(cell)
        return hidden, (hidden, cell)

    outputs, states = _layers(
        run, x, params, has_biases, num_layers, dropout if train else 0.0, bidirectional, batch_first, start, step
    )
    return outputs, torch.stack([h for h, _ in states]), torch.stack([c for _, c in states])


def _layers(
    run: Any,
    x: torch.Tensor,
    params: list[Any],
    has_biases: bool,
    layers: int,
    dropout: float,
    bidirectional: bool,
    batch_first: bool,
    start: Callable[[int], Any],
    step: Step,
) -> tuple[torch.Tensor, list[Any]]:
    """Return (outputs in the layout of ``x``, the last state of each layer and direction)."""
    each, directions = (4 if has_biases else 2), (2 if bidirectional else 1)
    x = x.transpose(0, 1) if batch_first else x
    states = []
    for layer in range(layers):
        if layer:
            x = run.drop(x, dropout)
        heard = []
        for direction in range(directions):
            place = directions * layer + direction
            weights = [*params[each * place : each * (place + 1)], None, None]
            inside = run.call("linear.default", x, weights[0], weights[2]).unbind(0)
            state, outputs = start(place), []
            for part in reversed(inside) if direction else inside:
                output, state = step(part, state, weights[1], weights[3])
                outputs.append(output)
            states.append(state)
            heard.append(torch.stack(outputs[::-1] if direction else outputs))
        x = torch.cat(heard, -1) if bidirectional else heard[0]
    return (x.transpose(0, 1) if batch_first else x), states
