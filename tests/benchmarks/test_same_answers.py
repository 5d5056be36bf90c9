import torch

from alpha_dimt.config import Model
from alpha_dimt.model.seq2seq import Seq2Seq
from benchmarks.same_answers import Plain


def test_the_plain_model_computes_the_same() -> None:
    results = []
    for kind in (Seq2Seq, Plain):
        model = kind(Model(embedding=6, hidden=8), source_words=11, target_words=13).double()
        model.initialise(0.5, torch.Generator().manual_seed(3))
        model.eval()
        encoded = model.encode(torch.tensor([[4, 5, 6], [9, 0, 0]]), torch.tensor([3, 1]))
        target = torch.tensor([[2, 4, 5, 6, 3], [2, 7, 3, 0, 0]])
        log_p = model.log_probs(encoded, target, torch.tensor([4, 2]))
        (-log_p.sum()).backward()
        results.append([log_p, *(parameter.grad.to_dense() for parameter in model.parameters())])
    for fast, plain in zip(*results, strict=True):
        torch.testing.assert_close(fast, plain)
