"""The temporal head: one BERT layer over the feature map's time steps, read at a CLS token.

    z_0 = [CLS; x_1 .. x_T'] + positions
    z_1 = z_0 + attention(norm(z_0))
    z_2 = z_1 + FFN(norm(z_1)),   read z_2[CLS]

Both teacher and student of ActLumos have it; the paper's 67 M parameters fit one layer of width
512 only. Sizes and dropouts are those of late temporal modelling (Kalfaoglu et al., ECCVW
2020), where the head comes from: 8 heads, FFN of 4 widths with tanh-GELU, pre-norm, no last
norm, learned CLS and positions (standard deviation .02), dropout .1 throughout. No language
model's weights are used. Our choice: `nn.LayerNorm` (eps 1e-6), where the origin
divides by the unbiased standard deviation plus eps; the parameters are the same in number, the
values differ by a factor sqrt((C - 1) / C).
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Start = Literal["random", "mean"]


class SelfAttention(nn.Module):
    """Multi-head attention of a sequence to itself, with keys that can be left out.

    Args:
        width: C, a multiple of `heads`.
        heads: number of heads.
        dropout: of the attention weights, 0..1.

    Raises:
        ValueError: `width` is not a multiple of `heads`.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not a multiple of heads {heads}")
        self.heads = heads
        self.dropout = dropout
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def pass_through(self) -> None:
        """Make value and output projections the identity: attention then averages its input."""
        for linear in (self.value, self.out):
            nn.init.eye_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, tokens: Tensor, keep: Tensor | None = None) -> Tensor:
        """`[B, N, C]` to `[B, N, C]`; `keep` is bool `[B, N]`, False hides that key from all."""
        query, key, value = (
            project(tokens).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for project in (self.query, self.key, self.value)
        )
        mask = None if keep is None else keep[:, None, None, :]
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, mask, dropout)
        return self.out(mixed.transpose(1, 2).flatten(2))


class BertLayer(nn.Module):
    """Pre-norm transformer layer: attention, then a feed-forward net of four widths."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attention = SelfAttention(width, heads, dropout)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, 4 * width),
            nn.GELU(approximate="tanh"),
            nn.Dropout(dropout),
            nn.Linear(4 * width, width),
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, keep: Tensor | None = None) -> Tensor:
        """`[B, N, C]` to `[B, N, C]`; `keep` as in `SelfAttention`."""
        tokens = tokens + self.dropout(self.attention(self.norm1(tokens), keep))
        tokens = tokens + self.dropout(self.feed_forward(self.norm2(tokens)))
        return self.dropout(tokens)


class BertHead(nn.Module):
    """Time steps in, one vector out; 3,157,504 parameters for width 512 and 8 tokens.

    Args:
        width: C of the tokens.
        frames: number N of tokens (time steps of the feature map, of all streams together).
        layers: number of layers.
        heads: attention heads.
        keep: probability that a token is visible as a key while training, drawn for each clip
            and token; CLS always is, and in evaluation all are.
        dropout: everywhere in the head.
        start: `random` (public code), or `mean`: value and output projections begin as the
            identity, so CLS begins as an average of the normalised tokens. Ours, for training
            from scratch in few steps.

    Raises:
        ValueError: no tokens, a probability outside 0..1, `width` no multiple of `heads`, or an
            unknown start.
    """

    def __init__(
        self,
        width: int,
        frames: int,
        layers: int = 1,
        heads: int = 8,
        keep: float = 0.8,
        dropout: float = 0.1,
        start: Start = "random",
    ) -> None:
        super().__init__()
        if start not in get_args(Start):
            raise ValueError(f"start is {start!r}: choose one of {', '.join(get_args(Start))}")
        if frames < 1 or not 0 <= keep <= 1:
            raise ValueError(f"frames={frames}, keep={keep}: need frames >= 1 and keep in 0..1")
        self.keep = keep
        self.cls = nn.Parameter(torch.empty(1, 1, width).normal_(std=0.02))
        self.positions = nn.Parameter(torch.empty(1, frames + 1, width).normal_(std=0.02))
        self.dropout = nn.Dropout(dropout)
        blocks = [BertLayer(width, heads, dropout) for _ in range(layers)]
        self.layers = nn.ModuleList(blocks)
        if start == "mean":
            for block in blocks:
                block.attention.pass_through()

    def forward(self, tokens: Tensor) -> Tensor:
        """`[B, N, C]` to the CLS vector `[B, C]`.

        Raises:
            ValueError: another number of tokens than the head has positions for.
        """
        expected = self.positions.shape[1] - 1
        if tokens.shape[1] != expected:
            raise ValueError(
                f"{tokens.shape[1]} time steps given, this head has positions for {expected}: "
                "build the model with the number of frames its clips have"
            )
        tokens = torch.cat([self.cls.expand(tokens.shape[0], -1, -1), tokens], dim=1)
        tokens = self.dropout(tokens + self.positions)
        keep = self.draw_visible(tokens) if self.training and self.keep < 1 else None
        for layer in self.layers:
            tokens = layer(tokens, keep)
        return tokens[:, 0]

    def draw_visible(self, tokens: Tensor) -> Tensor:
        """Bool `[B, N + 1]`: which keys attention may use; the first, CLS, always."""
        visible = torch.rand(tokens.shape[:2], device=tokens.device) < self.keep
        visible[:, 0] = True
        return visible
