"""The TensorFlow adapter: a stock Keras `model.fit` becomes data-parallel under OpenClaw as it is, and goes on when its ranks die."""
