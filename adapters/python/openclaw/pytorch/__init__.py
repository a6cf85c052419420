"""The PyTorch adapter: a stock DistributedDataParallel script trains under OpenClaw as it is."""
