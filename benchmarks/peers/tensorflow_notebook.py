"""R2RT's notebook of 2016 as it stands, in today's TensorFlow: a static graph, fed each window."""

import numpy as np
import tensorflow

from benchmarks.contestant import Losses, Trainee

tf = tensorflow.compat.v1


class TensorFlowNotebook(Trainee):
    """Placeholders, a graph built by a Python loop over the steps, `Session.run` each window."""

    def prepare(self) -> None:
        """Build the graph."""
        tf.disable_eager_execution()
        problem = self.problem
        shape = [problem.batch_size, problem.bptt_steps]
        self.x, self.y = tf.placeholder(tf.int32, shape), tf.placeholder(tf.int32, shape)
        self.init_state = tf.zeros([problem.batch_size, problem.hidden_size])
        weight, bias, readout, readout_bias = (
            tf.get_variable(name, initializer=values) for name, values in problem.start.items()
        )
        state, outputs = self.init_state, []
        for x in tf.unstack(tf.one_hot(self.x, 2), axis=1):
            state = tf.tanh(tf.matmul(tf.concat([x, state], 1), weight) + bias)
            outputs.append(state)
        self.final_state = outputs[-1]
        logits = [tf.matmul(output, readout) + readout_bias for output in outputs]
        self.losses = [
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels=label, logits=logit)
            for label, logit in zip(
                tf.unstack(self.y, num=problem.bptt_steps, axis=1), logits, strict=True
            )
        ]
        self.total_loss = tf.reduce_mean(self.losses)
        self.train_step = tf.train.AdagradOptimizer(problem.learning_rate).minimize(self.total_loss)
        self.session = tf.Session(
            config=tf.ConfigProto(
                intra_op_parallelism_threads=self.threads, inter_op_parallelism_threads=self.threads
            )
        )
        self.inputs = problem.inputs.astype(np.int32)
        self.targets = problem.targets.astype(np.int32)

    def start(self) -> None:
        """Go back to the initial values, those of Adagrad as well."""
        self.session.run(tf.global_variables_initializer())

    def train(self, windows: int) -> Losses:
        """Train by the notebook's loop."""
        state = np.zeros((self.problem.batch_size, self.problem.hidden_size))
        fetched = [self.losses, self.total_loss, self.final_state, self.train_step]
        total = []
        for x, y in zip(self.inputs[:windows], self.targets[:windows], strict=True):
            _, loss, state, _ = self.session.run(
                fetched, feed_dict={self.x: x, self.y: y, self.init_state: state}
            )
            total.append(loss)
        return np.array([total], np.float32)
