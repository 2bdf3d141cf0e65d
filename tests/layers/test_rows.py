import pytest
import torch
from torch.testing import assert_close

from optimetal.layers.rows import Rows, sum_rows, take_rows, weighted_softmax

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
    rows = Rows(torch.tensor([0, 0, 2]), torch.tensor([1.0, 3, 4]), num_graphs=3)
    assert rows.total == 8
    assert_close(rows.share, torch.tensor([[1 / 8], [3 / 8], [4 / 8]]))
    assert_close(rows.share_of_graph, torch.tensor([1 / 4, 3 / 4, 1]))
