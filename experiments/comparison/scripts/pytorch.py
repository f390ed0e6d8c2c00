import sys

import numpy as np
import torch
from torch import nn

train, test, dims, out = np.load(sys.argv[1]), np.load(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
torch.manual_seed(1)
low, span = float(train.min()), float(np.ptp(train))
height, width = train.shape[1:]
shape = 16, (height + 3) // 4, (width + 3) // 4
size = int(np.prod(shape))
model = nn.ModuleDict({
    "encoder": nn.Sequential(
        nn.Conv2d(1, 8, 3, 2, 1), nn.ELU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ELU(), nn.Flatten(),
        nn.Linear(size, 256), nn.ELU(), nn.Linear(256, dims),
    ),
    "decoder": nn.Sequential(
        nn.Linear(dims, 256), nn.ELU(), nn.Linear(256, size), nn.ELU(), nn.Unflatten(1, shape),
        nn.ConvTranspose2d(16, 8, 3, 2, 1, 1), nn.ELU(), nn.ConvTranspose2d(8, 1, 3, 2, 1, 1),
    ),
})  # fmt: skip
optimizer = torch.optim.Adam(model.parameters(), 1e-3)
images = torch.from_numpy((train[:, None] - low).astype(np.float32) / span)
for _ in range(20):
    for rows in torch.randperm(len(images)).split(100):
        batch = images[rows]
        restored = model["decoder"](model["encoder"](batch))[:, :, :height, :width]
        loss = ((restored - batch) ** 2).sum() / len(batch) / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
with torch.no_grad():
    codes = model["encoder"](torch.from_numpy((test[:, None] - low).astype(np.float32) / span))
    restored = model["decoder"](codes)[:, 0, :height, :width] * span + low
np.savez(out, codes=codes.numpy(), restored=restored.numpy())
