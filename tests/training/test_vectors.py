import torch

from training_sandbox.vectors import joined, named, pieces

SHAPES = {"a": torch.Size((2, 3)), "b": torch.Size(()), "c": torch.Size((0,)), "d": torch.Size((4,))}


def test_the_named_parts_of_a_vector_join_to_it_without_a_copy():
    vector = torch.arange(11.0)
    parts = named(vector, SHAPES)
    assert [tuple(part.shape) for part in parts.values()] == [(2, 3), (), (0,), (4,)]
    whole = joined(parts.values())
    assert torch.equal(whole, vector)
    assert whole.data_ptr() == vector.data_ptr()
    tail = joined([parts["b"], parts["d"]])
    assert torch.equal(tail, vector[6:])


def test_parts_in_another_order_or_of_other_tensors_are_copied():
    vector = torch.arange(11.0)
    parts = named(vector, SHAPES)
    for mixed in ([parts["d"], parts["a"]], [parts["a"], torch.ones(1)], [torch.arange(6.0).view(2, 3).t()]):
        found = joined(mixed)
        assert torch.equal(found, torch.cat([part.flatten() for part in mixed]))
        assert found.data_ptr() != vector.data_ptr()
    assert joined([torch.ones(2), torch.ones(1, dtype=torch.float64)]).dtype == torch.float64


def test_nothing_joined_is_an_empty_vector():
    assert joined([]).shape == (0,)


def test_pieces_cover_a_vector_once():
    vector = torch.zeros(200_001)
    for place in pieces(vector):
        vector[place] += 1
    assert bool((vector == 1).all())
    assert not list(pieces(torch.zeros(0)))
