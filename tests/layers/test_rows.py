import pytest
import torch
from torch.testing import assert_close

from optimetal.layers.rows import (
    Rows,
    all_rows,
    embed_distinct,
    map_rows,
    sum_rows,
    take_rows,
    weighted_softmax,
)

INDEX = torch.tensor([2, 0, 2, 2])


def test_sums_rows_of_each_group_and_leaves_empty_groups_zero():
    values = torch.tensor([[1.0, 10], [2, 20], [3, 30], [4, 40]])
    assert_close(sum_rows(values, INDEX, 4), torch.tensor([[2.0, 20], [0, 0], [8, 80], [0, 0]]))
    assert_close(sum_rows(values[:, 0], INDEX, 3), torch.tensor([2.0, 0, 8]))
    assert sum_rows(values[:0], INDEX[:0], 3).shape == (3, 2)


def test_taking_rows_is_indexing():
    values = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    assert_close(take_rows(values, INDEX), values[INDEX])
    assert torch.autograd.gradcheck(lambda v: take_rows(v, INDEX), values)


@pytest.mark.parametrize("channels", [1, 3])
def test_weighted_softmax_is_the_softmax_of_repeated_rows(channels):
    torch.manual_seed(0)
    logits = torch.randn(4, channels, dtype=torch.float64)
    times = torch.tensor([3, 1, 1, 2])
    merged = weighted_softmax(logits, times.double(), INDEX, 3)
    full = weighted_softmax(
        logits.repeat_interleave(times, 0), None, INDEX.repeat_interleave(times), 3
    )
    copies = torch.arange(4).repeat_interleave(times)
    assert_close(merged, sum_rows(full, copies, 4))
    assert_close(sum_rows(merged, INDEX, 3)[[0, 2]], torch.ones(2, channels).double())


def test_shares_add_up_to_one():
    rows = Rows(torch.tensor([1.0, 3, 4]), torch.tensor([0, 0, 2]), num_graphs=3)
    assert rows.total == 8
    assert_close(rows.share(rows.total), torch.tensor([[1 / 8], [3 / 8], [4 / 8]]))
    assert_close(rows.share_of_graph, torch.tensor([1 / 4, 3 / 4, 1]))


def test_shared_rows_are_computed_once_per_value():
    values = torch.tensor([2.5, 1.0, 2.5, 4.0]).double()
    seen = []

    def embed(distinct, counted):
        seen.append((distinct, counted.population))
        return torch.stack([distinct, distinct.square()], 1)

    shared = embed_distinct(values, torch.tensor([1.0, 2, 3, 4]).double(), embed)
    assert_close(seen, [(torch.tensor([1, 2.5, 4]).double(), torch.tensor([2.0, 4, 4]).double())])
    expected = torch.stack([values, values.square()], 1)
    assert_close(all_rows(shared), expected)
    assert_close(map_rows(torch.sin, shared), expected.sin())
    assert_close(map_rows(torch.sin, expected), expected.sin())


def test_no_shared_rows():
    shared = embed_distinct(torch.zeros(0), torch.zeros(0), lambda v, _: v[:, None])
    assert all_rows(shared).shape == (0, 1)
