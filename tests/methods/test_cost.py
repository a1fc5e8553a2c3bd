"""Costs by known answers."""

import time

import torch

from fer_lib.methods import cost

IMAGE = torch.rand(1, 1, 48, 48)


def test_a_convolution_costs_two_for_each_weight_and_pixel():
    layer = torch.nn.Conv2d(1, 8, 3, padding=1)
    assert cost.flops(layer, IMAGE) == 2 * 9 * 8 * 48 * 48


def test_a_matrix_costs_two_for_each_entry():
    matrix = torch.rand(2304, 2304)
    assert cost.flops(lambda x: x.flatten(1) @ matrix, IMAGE) == 2 * 2304**2


def test_what_does_not_multiply_is_not_counted():
    assert cost.flops(lambda x: x.clamp(0, 1), IMAGE) == 0


def test_time_is_in_milliseconds_on_one_thread():
    threads, seen = torch.get_num_threads(), set()

    def slow(image):
        seen.add(torch.get_num_threads())
        time.sleep(0.01)

    assert cost.milliseconds(slow, IMAGE) >= 9
    assert seen == {1}
    assert torch.get_num_threads() == threads
