"""The Euclidean codebook, by hand: nearest entries, moving averages, dead entries, start."""

import pytest
import torch

from audiolm.codec.codebook import EuclideanCodebook, kmeans, nearest


def codebook(entries, **options):
    """A started codebook of these entries, each with usage 1."""
    entries = torch.tensor(entries)
    book = EuclideanCodebook(*entries.shape, **options)
    book.embed_sum.copy_(entries)
    book.initialized.fill_(1)
    return book


def test_nearest_entry_and_ties_by_hand():
    entries = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 3.0]])
    x = torch.tensor([[0.4, 0.1], [1.5, 0.5], [0.1, 2.0], [1.0, 0.0]])
    assert nearest(x, entries).tolist() == [0, 1, 2, 0]  # the last is as near to entry 1: the first wins


def test_encode_keeps_the_shape_and_decode_gives_entries():
    book = codebook([[0.0, 0.0], [2.0, 0.0]])
    x = torch.tensor([[[1.9, 0.3], [0.1, 0.0], [3.0, 3.0]]])
    codes = book.encode(x)
    assert codes.tolist() == [[1, 0, 1]]
    assert book.decode(codes).tolist() == [[[2.0, 0.0], [0.0, 0.0], [2.0, 0.0]]]


def test_update_is_the_moving_average_of_counts_and_sums():
    book = codebook([[0.0], [10.0]], decay=0.9)
    x = torch.tensor([[[1.0], [2.0], [11.0]]])
    book.update(x, book.encode(x), torch.tensor([0]))
    # N0 = 0.9 * 1 + 0.1 * 2 = 1.1, m0 = 0.9 * 0 + 0.1 * 3 = 0.3; N1 = 1.0, m1 = 9 + 1.1 = 10.1
    torch.testing.assert_close(book.cluster_usage, torch.tensor([1.1, 1.0]))
    torch.testing.assert_close(book.entries, torch.tensor([[0.3 / 1.1], [10.1]]))
    assert book.idle.tolist() == [0, 0]


def test_dead_entry_moves_to_a_vector_of_the_update():
    book = codebook([[0.0], [100.0]], decay=0.5, dead_after=2)  # dead after 4 vectors without a choice
    x = torch.tensor([[[1.0], [-1.0], [3.0]]])
    book.update(x, book.encode(x), torch.tensor([0]))
    assert book.entries[1] == 100.0 and book.idle.tolist() == [0, 3]
    book.update(x, book.encode(x), torch.tensor([1]))
    assert book.entries[1].item() in (1.0, -1.0, 3.0)
    # N was (1 -> 2 -> 2.5, 1 -> 0.5 -> 0.25); the replaced entry has the mean
    assert book.cluster_usage.tolist() == [2.5, pytest.approx(1.375)]


def test_replacement_does_not_depend_on_the_order_of_samples():
    x, index = torch.randn(4, 5, 3, generator=torch.Generator().manual_seed(0)), torch.arange(4)
    order = torch.tensor([2, 0, 3, 1])
    books = []
    for samples, numbers in ((x, index), (x[order], index[order])):
        book = EuclideanCodebook(16, 3, dead_after=1)
        book.start(samples, numbers)
        for _ in range(3):
            book.update(samples, book.encode(samples), numbers)
        books.append(book)
    assert torch.allclose(books[0].entries, books[1].entries, atol=1e-6)


def test_kmeans_finds_separate_clusters_and_keeps_empty_centres():
    generator = torch.Generator().manual_seed(0)
    means = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    x = means.repeat_interleave(50, 0) + 0.1 * torch.randn(150, 2, generator=generator)
    centres, counts = kmeans(x, 8, 10, generator)
    assert counts.sum() == 150 and len(centres) == 8
    assert (torch.cdist(means, centres).min(dim=1).values < 0.3).all()
    few, counts = kmeans(x[:3], 8, 5, generator)  # fewer vectors than centres
    assert few.shape == (8, 2) and counts.sum() == 3


def test_same_seed_same_entries_and_start_happens_once():
    x, index = torch.randn(2, 40, 3), torch.arange(2)
    books = [EuclideanCodebook(8, 3, seed=seed) for seed in (1, 1, 2)]
    for book in books:
        book.start(x, index)
    assert torch.equal(books[0].entries, books[1].entries)
    assert not torch.equal(books[0].entries, books[2].entries)
    before = books[0].entries
    books[0].start(x + 1, index)
    assert torch.equal(books[0].entries, before)


def test_usage_and_perplexity():
    book = codebook([[0.0], [1.0], [2.0], [3.0]], dead_after=10_000)
    book.cluster_usage.copy_(torch.tensor([1.0, 1.0, 0.0, 0.0]))
    book.idle.copy_(torch.tensor([0, 199, 200, 500]))
    assert book.perplexity() == pytest.approx(2.0)
    assert book.usage() == 0.5  # of 4 entries, those chosen within the last 200 vectors
