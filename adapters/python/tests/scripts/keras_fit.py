"""A stock Keras script, as in the tutorials: one process, one model.fit. Runs as it is alone and under `openclaw train`."""

import argparse
import os

import numpy as np
from tensorflow import keras


def data(samples):
    generator = np.random.default_rng(7)
    inputs = generator.normal(size=(samples, 20)).astype("float32")
    labels = (inputs @ generator.normal(size=20) + 0.5 * generator.normal(size=samples) > 0).astype("float32")
    return inputs, labels


class Trace(keras.callbacks.Callback):
    """Takes its time, so that a test can meet it on the way."""

    pause = 0.0  # of the class: what stands in a callback itself goes on from a checkpoint as it was

    def on_train_batch_end(self, batch, logs=None):
        if self.pause:
            import time

            time.sleep(self.pause)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--samples", type=int, default=1500)
    parser.add_argument("--batch", type=int, default=30)
    parser.add_argument("--pause", type=float, default=0)
    parser.add_argument("--exact", action="store_true", help="in order, and with no layer that looks at a whole batch")
    options = parser.parse_args()

    Trace.pause = options.pause
    inputs, labels = data(options.samples)
    keras.utils.set_random_seed(1)
    between = [] if options.exact else [keras.layers.BatchNormalization(), keras.layers.Dropout(0.1)]
    model = keras.Sequential([keras.layers.Dense(32), *between, keras.layers.ReLU(), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(0.05, momentum=0.9), loss=keras.losses.BinaryCrossentropy(from_logits=True),
                  metrics=["accuracy"])
    history = model.fit(inputs, labels, batch_size=options.batch, epochs=options.epochs, validation_split=0.1, verbose=2,
                        shuffle=not options.exact,
                        callbacks=[Trace(), keras.callbacks.EarlyStopping(patience=50),
                                   keras.callbacks.ModelCheckpoint("best.keras", save_best_only=True)])
    model.save("model.keras")
    loss, accuracy = model.evaluate(inputs, labels, verbose=0)
    digest = sum(float(np.abs(one.astype("float64")).sum()) for one in model.get_weights())
    print(f"rank {os.environ.get('RANK', 0)} final {loss:.4f} accuracy {accuracy:.3f} epochs {len(history.epoch)} "
          f"steps {int(model.optimizer.iterations)} weights {digest:.12f}", flush=True)


if __name__ == "__main__":
    main()
