"""A loop of its own, made data-parallel with two lines."""

import torch

import openclaw

torch.manual_seed(0)
inputs = torch.randn(400, 8)
data = torch.utils.data.TensorDataset(inputs, inputs.sum(1, keepdim=True))
loader = torch.utils.data.DataLoader(data, batch_size=10, shuffle=True)
model = torch.nn.Linear(8, 1)
model, loader = openclaw.parallel(model, loader)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for epoch in range(4):
    for batch, wanted in loader:
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(batch), wanted)
        loss.backward()
        optimizer.step()
        openclaw.log(loss=loss)
print("weights", " ".join(f"{one:.9f}" for one in model.weight.detach().flatten().tolist()), "loss", loss.item() < 0.01, flush=True)
