"""The BERT head against PyTorch's own transformer layer, and the hiding of keys."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from actlumos.models.bert_head import BertHead, SelfAttention


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(("tokens", "count"), [(4, 3_155_456), (8, 3_157_504), (16, 3_161_600)])
def test_parameter_counts(tokens: int, count: int) -> None:
    with torch.device("meta"):
        assert parameters(BertHead(512, tokens)) == count


def torch_layer(head: BertHead, index: int) -> nn.TransformerEncoderLayer:
    """PyTorch's pre-norm layer with the weights of one layer of ours."""
    layer, width = head.layers[index], head.cls.shape[-1]
    heads = layer.attention.heads
    gelu = nn.GELU(approximate="tanh")
    theirs = nn.TransformerEncoderLayer(
        width, heads, 4 * width, 0.0, gelu, 1e-6, batch_first=True, norm_first=True
    )
    ours = [layer.attention.query, layer.attention.key, layer.attention.value]
    theirs.load_state_dict(
        {
            "self_attn.in_proj_weight": torch.cat([linear.weight for linear in ours]),
            "self_attn.in_proj_bias": torch.cat([linear.bias for linear in ours]),
            **{f"self_attn.out_proj.{k}": v for k, v in layer.attention.out.state_dict().items()},
            **{f"linear1.{k}": v for k, v in layer.feed_forward[0].state_dict().items()},
            **{f"linear2.{k}": v for k, v in layer.feed_forward[3].state_dict().items()},
            **{f"norm1.{k}": v for k, v in layer.norm1.state_dict().items()},
            **{f"norm2.{k}": v for k, v in layer.norm2.state_dict().items()},
        }
    )
    return theirs


def torch_head(head: BertHead, tokens: Tensor) -> Tensor:
    cls = head.cls.expand(len(tokens), -1, -1)
    sequence = torch.cat([cls, tokens], 1) + head.positions
    for index in range(len(head.layers)):
        sequence = torch_layer(head, index).train()(sequence)  # .train(): the slow, exact path
    return sequence[:, 0]


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 9), st.sampled_from([1, 2, 4]), st.integers(1, 2), st.integers(0, 99))
def test_head_equals_torch_s_transformer(frames: int, heads: int, layers: int, seed: int) -> None:
    torch.manual_seed(seed)
    head = BertHead(16, frames, layers, heads).eval()
    tokens = torch.randn(3, frames, 16)
    torch.testing.assert_close(head(tokens), torch_head(head, tokens), rtol=1e-4, atol=1e-5)


def test_a_hidden_key_changes_nothing_but_is_still_a_query() -> None:
    torch.manual_seed(0)
    attention = SelfAttention(16, 4, 0.0)
    tokens = torch.randn(2, 5, 16)
    keep = torch.tensor([[True, True, False, True, True]] * 2)
    changed = tokens.clone()
    changed[:, 2] += 3
    others = [0, 1, 3, 4]
    torch.testing.assert_close(
        attention(tokens, keep)[:, others], attention(changed, keep)[:, others]
    )
    without = attention(tokens[:, others])
    torch.testing.assert_close(attention(tokens, keep)[:, others], without)
    assert attention(tokens, keep)[:, 2].isfinite().all()


def test_keys_are_kept_with_the_given_probability_and_cls_always() -> None:
    torch.manual_seed(0)
    visible = BertHead(8, 20).draw_visible(torch.empty(2000, 21, 8))
    assert visible[:, 0].all()
    assert visible[:, 1:].float().mean().item() == pytest.approx(0.8, abs=0.01)


def test_keys_are_hidden_in_training_only() -> None:
    torch.manual_seed(0)
    head = BertHead(16, 6, dropout=0.0, keep=0.5, heads=4)
    tokens = torch.randn(4, 6, 16)
    assert not torch.allclose(head(tokens), head(tokens))
    head.eval()
    assert torch.equal(head(tokens), head(tokens))
    plain = BertHead(16, 6, dropout=0.0, keep=1.0, heads=4)
    plain.load_state_dict(head.state_dict())
    torch.testing.assert_close(plain.train()(tokens), head(tokens))


def test_with_no_key_but_cls_the_head_ignores_the_clip() -> None:
    torch.manual_seed(0)
    head = BertHead(16, 6, dropout=0.0, keep=0.0, heads=4)
    first, second = head(torch.randn(2, 6, 16)), head(torch.randn(2, 6, 16))
    torch.testing.assert_close(first, second)


def test_order_matters() -> None:
    torch.manual_seed(0)
    head = BertHead(16, 6, heads=4).eval()
    tokens = torch.randn(2, 6, 16)
    assert not torch.allclose(head(tokens), head(tokens.flip(1)), atol=1e-5)


def test_same_seed_same_training_pass() -> None:
    head = BertHead(16, 6, heads=4)
    tokens = torch.randn(2, 6, 16)
    torch.manual_seed(1)
    first = head(tokens)
    torch.manual_seed(1)
    assert torch.equal(first, head(tokens))


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="not a multiple of heads 3"):
        BertHead(16, 4, heads=3)
    with pytest.raises(ValueError, match="frames=0"):
        BertHead(16, 0)
    with pytest.raises(ValueError, match="keep=1.5"):
        BertHead(16, 4, keep=1.5)
    with pytest.raises(ValueError, match="3 time steps given, this head has positions for 4"):
        BertHead(16, 4)(torch.zeros(2, 3, 16))


def test_start_mean_begins_as_an_average() -> None:
    head = BertHead(16, 3, heads=4, start="mean").eval()
    token = torch.randn(2, 1, 16)
    attended = head.layers[0].attention(token.expand(2, 4, 16))
    torch.testing.assert_close(attended, token.expand(2, 4, 16))
    mixed = torch.rand(2, 4, 16)
    averaged = head.layers[0].attention(mixed)
    assert (averaged >= mixed.amin(1, keepdim=True) - 1e-6).all()
    assert (averaged <= mixed.amax(1, keepdim=True) + 1e-6).all()
    with pytest.raises(ValueError, match="start is 'zero'"):
        BertHead(16, 3, heads=4, start="zero")
