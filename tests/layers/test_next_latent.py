from arrays import assert_close
from arrays import dense
from arrays import gelu
from arrays import randomize

from keras_mirasol.layers import NextLatentPredictor


def test_equals_a_two_layer_perceptron_for_each_token(normal):
    predictor, latents = NextLatentPredictor(8, 32), normal(2, 3, 2, 8)
    predictor.build(latents.shape)
    randomize(predictor)
    hidden = gelu(dense(latents, predictor.hidden))
    assert_close(predictor(latents), dense(hidden, predictor.prediction))


def test_exact_number_of_weights():
    predictor = NextLatentPredictor(8)
    predictor.build((None, None, 2, 8))
    assert predictor.count_params() == (8 * 16 + 16) + (16 * 8 + 8)
