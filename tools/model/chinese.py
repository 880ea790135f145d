"""Train the Chinese tagger: LAC's weights, taught the notes of this folder, kept near LAC on real dialogue."""

import random
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn

from tools.model import lac
from tools.model.corpora import Lexicons
from tools.model.notes import Notes, tags

WINDOW, BATCH, TAUGHT = 48, 40, 12
_LEAD = 5  # when it runs, a window often begins so many characters before a name


def windows(notes: Notes, table: np.ndarray, count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (rows, tags) of windows cut out of one long text of notes."""
    text, marks = "", list[int]()
    done = 0
    while done < count:
        note, spans = notes.note()
        text += note + "\n"
        marks += [*tags(len(note), spans, lac.LABELS), 0]
        while len(text) > 4 * WINDOW and done < count:
            skip = notes.draw.randrange(WINDOW // 3)
            if notes.draw.random() < 0.4:
                ahead = [n for n in range(_LEAD, 2 * WINDOW) if marks[n] == 1]
                skip = ahead[0] - _LEAD if ahead else skip
            yield encode(text[skip : skip + WINDOW], table), np.array(marks[skip : skip + WINDOW])
            text, marks, done = text[skip + WINDOW :], marks[skip + WINDOW :], done + 1


def encode(text: str, table: np.ndarray) -> np.ndarray:
    """Return the row of the embedding of every character."""
    return table[np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)]


def train(
    lexicons: Lexicons, steps: int, seed: int, keep: Callable[[lac.Lac, lac.Tagger], None] | None = None
) -> lac.Tagger:
    """Return the trained tagger; says every fifty steps where it stands, gives it to ``keep`` every three hundred."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    tables, model = lac.load()
    table = lac.lookup(tables)
    draw = random.Random(seed)
    notes = Notes(draw, lexicons)
    dialogue = "\n".join(draw.sample(lexicons.dialogue, min(4000, len(lexicons.dialogue))))
    taught = encode(dialogue, table)[: len(dialogue) // WINDOW * WINDOW].reshape(-1, WINDOW)[:9000]
    truth = lac.teach(tables, model, taught)
    print(f"taught {taught.size} characters", flush=True)
    groups = torch.zeros(len(tables.groups), lac.GROUPS)
    groups[torch.arange(len(tables.groups)), torch.tensor(tables.groups)] = 1.0
    optimiser = torch.optim.AdamW(
        [
            {"params": [*model.embedding.parameters(), *model.recurrent.parameters()], "lr": 8e-4},
            {"params": model.head.parameters(), "lr": 2e-3},
        ],
        weight_decay=0.0,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda n: min((n + 1) / 60, max(0.02, 1 - n / steps)))
    made = windows(notes, table, steps * BATCH)
    began, losses = time.process_time(), list[float]()
    for step in range(steps):
        model.train()
        rows, marks = map(np.stack, zip(*(next(made) for _ in range(BATCH)), strict=True))
        chosen = np.arange(step * TAUGHT, (step + 1) * TAUGHT) % len(taught)
        scores = model(torch.tensor(np.concatenate([rows, taught[chosen]])))
        ours = torch.log(torch.softmax(scores[:BATCH], -1) @ groups + 1e-9)
        loss = nn.functional.nll_loss(ours.reshape(-1, lac.GROUPS), torch.tensor(marks).reshape(-1))
        loss = loss + 0.15 * nn.functional.cross_entropy(
            scores[BATCH:].reshape(-1, scores.shape[-1]), torch.tensor(truth[chosen]).reshape(-1)
        )
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        if step % 50 == 49:
            spent, loss_now = time.process_time() - began, np.mean(losses[-50:])
            print(f"{step + 1} steps, {spent:.0f} s of CPU, loss {loss_now:.4f}", flush=True)
        if keep and step % 300 == 299:
            keep(tables, model)
    return model.eval()
