"""What partners bring: modules as they are written, some that fit and some that do not."""

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812  as partners write it


def mlp():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(12, 8), nn.ReLU(inplace=True), nn.Linear(8, 2))


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(1, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.Linear(4, 2)

    def forward(self, x):
        return self.head(F.max_pool2d(F.relu(self.norm(self.conv(x))), 2).mean((2, 3)))


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(20, 8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        first, second = self.layer(self.embed(x)).chunk(2, 1)
        return self.head((first + second * 2.0).mean(1))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.bias, self.head = nn.Linear(4, 12), nn.Parameter(torch.zeros(5, 5)), nn.Linear(4, 2)

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, -1)
        causal = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.head(F.scaled_dot_product_attention(causal, k, v, attn_mask=self.bias).mean(1))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Embedding(20, 8), nn.Linear(8, 20, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, x):
        return self.head(self.embed(x).mean(1))


class Mixed(nn.Module):
    """Embeds one feature of a float record, concatenates the rest."""

    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Embedding(20, 8), nn.Linear(8 + 11, 2)

    def forward(self, x):
        return self.head(torch.cat((self.embed(x[:, 0].long()), x[:, 1:]), 1))


class Linear(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Linear(12, 2)


class Indexing(Linear):
    def forward(self, x):
        return self.f(x[x > 0].sum() + x)


class Random(Linear):
    def forward(self, x):
        return self.f(x + torch.randn_like(x))


class Branching(Linear):
    def forward(self, x):
        return self.f(x) if x.sum() > 0 else self.f(-x)


class Constant(Linear):
    def forward(self, x):
        return self.f(x * torch.tensor([1.0, 2.0] * 6))


class TwoOutputs(Linear):
    def forward(self, x):
        return self.f(x), x


class Unused(Linear):
    def __init__(self):
        super().__init__()
        self.spare = nn.Parameter(torch.zeros(3))

    def forward(self, x):
        return self.f(x)


class Half(Linear):
    def forward(self, x):
        return self.f(x.half().float())


class WritesInput(Linear):
    def forward(self, x):
        x.add_(1)
        return self.f(x)


def batch_norm():
    return nn.Sequential(nn.Linear(12, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))


def dropout():
    return nn.Sequential(nn.Linear(12, 8), nn.Dropout(0.5), nn.Linear(8, 2))


def gru():
    return nn.GRU(12, 2)


def double():
    return nn.Linear(12, 2).double()


def frozen():
    model = nn.Linear(12, 2)
    model.weight.requires_grad_(False)
    return model


def buffer():
    model = nn.Linear(12, 2)
    model.register_buffer("seen", torch.zeros(3))
    return model
