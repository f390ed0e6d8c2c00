"""A network of which some layers are changed by a text that names them."""

from __future__ import annotations

import pytest

from deepcae.errors import SpecError
from deepcae.proto.changed import change_layers
from deepcae.proto.read import read_net_text

NET = """
name: "n"  # a comment
layer { name: "data" type: "HDF5Data" top: "data" include { phase: TRAIN } hdf5_data_param { source: "a" batch_size: 9 shuffle: true } }
layer { name: "data" type: "HDF5Data" top: "data" include { phase: TEST } hdf5_data_param { source: "b" batch_size: 5 } }
layer {
  name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  param { lr_mult: 1 } param { lr_mult: 2 }
  inner_product_param { num_output: 3 weight_filler { type: "gaussian" std: 1 sparse: 25 } bias_filler { value: 1 } }
}
layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "data" top: "loss" loss_weight: 1 }
"""  # noqa: E501


@pytest.mark.parametrize(
    ("changes", "old", "new"),
    [
        ('layer { name: "loss" loss_weight: 0 }', "loss_weight: 1", "loss_weight: 0"),
        ('layer { name: "loss" loss_weight: 1 loss_weight: 2 }', "loss_weight: 1", "loss_weight: 1 loss_weight: 2"),
        ('layer { name: "ip" type: "Other" }', '"InnerProduct"', '"Other"'),
        ('layer { name: "ip" inner_product_param { weight_filler { sparse: 8 } } }', "sparse: 25", "sparse: 8"),
        ('layer { name: "ip" inner_product_param { weight_filler { sparse: -1 std: 0.5 } } }', "1 sparse: 25", "0.5"),
        (
            'layer { name: "ip" inner_product_param { weight_filler { type: "xavier" std: 1 sparse: -1 } } }',
            'type: "gaussian" std: 1 sparse: 25',
            'type: "xavier"',
        ),
        ('layer { name: "ip" inner_product_param { bias_filler { value: 0 } } }', "value: 1", ""),
        ('layer { name: "ip" param { lr_mult: 0 } }', "{ lr_mult: 1 } param { lr_mult: 2 }", "{ lr_mult: 0 }"),
        ('layer { name: "data" hdf5_data_param { shuffle: false } }', " shuffle: true", ""),
        ('layer { name: "loss" propagate_down: [false] }', "weight: 1", "weight: 1 propagate_down: [false]"),
        ('layer { name: "loss" loss_weight: 2 } layer { name: "loss" type: "L1" }', "loss_weight: 1", None),
    ],
)
def test_what_is_named_is_changed_and_nothing_else(changes: str, old: str, new: str | None) -> None:
    found = read_net_text(change_layers(NET, changes)).message
    if new is None:  # in two steps, as in one
        assert found == read_net_text(change_layers(NET, 'layer { name: "loss" loss_weight: 2 type: "L1" }')).message
    else:
        assert NET.count(old) == 1
        assert found == read_net_text(NET.replace(old, new)).message


def test_layers_of_one_name_are_all_changed() -> None:
    found = read_net_text(change_layers(NET, 'layer { name: "data" hdf5_data_param { batch_size: 2 } }')).message
    assert [layer.hdf5_data_param.batch_size for layer in found.layer[:2]] == [2, 2]
    assert [layer.hdf5_data_param.source for layer in found.layer[:2]] == ["a", "b"]


def test_what_changes_nothing_is_refused_with_its_place() -> None:
    changes = (
        'layer { name: "los" loss_weight: 0 }\nlayer { name: "loss" loss_weight: 1 }\nlayer { name: "ip" type: "A" }'
    )
    with pytest.raises(SpecError) as refused:
        change_layers(NET, changes, "mine")
    assert [str(problem) for problem in refused.value.problems] == [
        "mine:1:1: layer 'los' is not in the network, and was to be changed",
        "mine:2:1: layer 'loss' is this already, and was to be changed",
    ]


def test_a_mistake_in_the_changes_has_its_place() -> None:
    with pytest.raises(SpecError, match=r"^mine:1:22: unknown field 'los_weight'"):
        change_layers(NET, 'layer { name: "loss" los_weight: 0 }', "mine")
