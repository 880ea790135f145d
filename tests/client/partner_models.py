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


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(20, 6)
        self.gru = nn.GRU(6, 5, 2, batch_first=True, bidirectional=True, dropout=0.2)
        self.lstm = nn.LSTM(10, 4, batch_first=True)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.lstm(self.gru(self.embed(x))[0])[0][:, -1])


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down, self.deep = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 8, 3, stride=2, padding=1)
        self.up, self.norm = nn.ConvTranspose2d(8, 4, 2, 2), nn.GroupNorm(2, 4)
        self.smooth = nn.Upsample(scale_factor=2, mode="bilinear")
        self.out = nn.Conv2d(16, 2, 1)

    def forward(self, x):
        wide = F.relu(self.norm(self.down(x)))
        deep = F.relu(self.deep(wide))
        return self.out(torch.cat((wide, self.up(deep), self.smooth(deep)), 1))


class Adapter(nn.Module):
    """A low-rank adapter on a frozen layer."""

    def __init__(self):
        super().__init__()
        self.base, self.a, self.b = nn.Linear(12, 8), nn.Linear(12, 2, bias=False), nn.Linear(2, 8, bias=False)
        self.head = nn.Linear(8, 2)
        self.base.requires_grad_(False)

    def forward(self, x):
        return self.head(torch.tanh(self.base(x) + self.b(self.a(x))))


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Embedding(9, 4), nn.Linear(4 + 5, 2)

    def forward(self, codes, numbers):
        return self.head(torch.cat((self.embed(codes).mean(1), numbers), 1))


class ViT(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches, self.token = nn.Conv2d(1, 8, 4, 4), nn.Parameter(torch.zeros(1, 1, 8))
        self.place = nn.Parameter(torch.randn(1, 5, 8) * 0.1)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True, norm_first=True)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        return self.head(self.layer(torch.cat((self.token, tokens), 1) + self.place)[:, 0])


class Tabular(nn.Module):
    """After FT-Transformer: every number becomes a token."""

    def __init__(self):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(12, 8) * 0.3), nn.Parameter(torch.zeros(12, 8))
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.layer(x.unsqueeze(-1) * self.weight + self.bias).mean(1))


def signal():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv1d(2, 6, 5, stride=2), nn.GroupNorm(2, 6), nn.SiLU(), nn.Dropout(0.3), nn.AdaptiveAvgPool1d(1),
        nn.Flatten(), nn.Linear(6, 2),
    )  # fmt: skip


def dropout():
    return nn.Sequential(nn.Linear(12, 8), nn.Dropout2d(0.5), nn.Linear(8, 2))


def rnn():
    return nn.RNN(12, 2)


def stretched():
    return nn.Sequential(nn.Unflatten(1, (1, 3, 4)), nn.Upsample(scale_factor=1.5), nn.Flatten(), nn.Linear(24, 2))


def double():
    return nn.Linear(12, 2).double()


def frozen():
    return nn.Linear(12, 2).requires_grad_(False)


def buffer():
    model = nn.Linear(12, 2)
    model.register_buffer("seen", torch.zeros(3))
    return model
