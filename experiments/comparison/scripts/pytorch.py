import sys
from itertools import pairwise

import numpy as np
import torch
from torch import nn

train, test, dims, out = np.load(sys.argv[1]), np.load(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
passes, parameters = int(sys.argv[5]), int(sys.argv[6])
torch.manual_seed(1)
low, span = float(train.min()), float(np.ptp(train))
sizes, maps = [train.shape[1:]], [1]
while max(sizes[-1]) > 7:
    sizes.append(tuple((side + 1) // 2 for side in sizes[-1]))
    maps.append(min(64, max(16, 2 * maps[-1])))
shape = maps[-1], *sizes[-1]
size = int(np.prod(shape))
hidden = (parameters - 18 * sum(a * b for a, b in pairwise(maps))) // (2 * (size + dims + 1))
down, up = [], []
for a, b in pairwise(maps):
    down += [nn.Conv2d(a, b, 3, 2, 1), nn.ELU()]
    up = [nn.ConvTranspose2d(b, a, 3, 2, 1, 1), nn.ELU(), *up]
encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(size, hidden), nn.ELU(), nn.Linear(hidden, dims))
decoder = nn.Sequential(
    nn.Linear(dims, hidden), nn.ELU(), nn.Linear(hidden, size), nn.ELU(), nn.Unflatten(1, shape), *up[:-1]
)
weights = [*encoder.parameters(), *decoder.parameters()]
optimizer = torch.optim.Adam(weights, 1e-3)
images = torch.from_numpy((train[:, None] - low).astype(np.float32) / span)
for _ in range(passes):
    for rows in torch.randperm(len(images)).split(100):
        batch = images[rows]
        loss = ((decoder(encoder(batch)) - batch) ** 2).sum() / len(batch) / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
with torch.no_grad():
    codes = encoder(torch.from_numpy((test[:, None] - low).astype(np.float32) / span))
    restored = decoder(codes)[:, 0] * span + low
np.savez(out, codes=codes, restored=restored, parameters=sum(each.numel() for each in weights))
