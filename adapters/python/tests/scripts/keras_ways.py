"""The ways in which Keras is given data and told to stop, one after the other."""

import numpy as np
import tensorflow as tf

generator = np.random.default_rng(3)
inputs = generator.normal(size=(300, 6)).astype("float32")
labels = inputs.sum(1, keepdims=True)


def model():
    made = tf.keras.Sequential([tf.keras.layers.Dense(8, activation="relu"), tf.keras.layers.Dense(1)])
    made.compile("adam", "mse")
    return made


def say(way, one):
    print(way, " ".join(f"{value:.9f}" for value in one.get_weights()[0].ravel()[:4]), flush=True)


def main():
    data = tf.data.Dataset.from_tensor_slices((inputs, labels)).shuffle(300).batch(16)
    one = model()
    assert len(one.fit(data, epochs=3, verbose=0).epoch) == 3
    say("dataset", one)

    one.fit(data.repeat(), epochs=2, steps_per_epoch=7, verbose=0)
    one.fit(inputs, labels, epochs=1, steps_per_epoch=5, batch_size=20, verbose=0)
    say("steps", one)

    class Enough(tf.keras.callbacks.Callback):
        """Only one of the ranks has had enough."""

        def on_train_batch_end(self, batch, logs=None):
            import os

            if batch == 3 and os.environ.get("RANK") == "1":
                self.model.stop_training = True

    one.fit(inputs, labels, epochs=5, verbose=0, callbacks=[Enough()])
    say("early", one)

    other, optimizer = model(), tf.keras.optimizers.SGD(0.01)
    for start in range(0, 300, 30):
        batch = slice(start, start + 30)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((other(inputs[batch]) - labels[batch]) ** 2)
        gradients = tape.gradient(loss, other.trainable_variables)
        optimizer.apply_gradients(zip(gradients, other.trainable_variables))
    say("loop", other)


main()
