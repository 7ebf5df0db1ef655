"""The parameters of ``run`` and ``generate``: the same in both clients, and in what the clients share."""

import dataclasses
import inspect
from typing import Any, Callable

import pytest

import perceptis
from perceptis._calls import Order

Parameters = dict[str, tuple[Any, Any]]


def parameters(method: Callable[..., Any]) -> Parameters:
    """The names of a method's parameters in their order, each with its type and its default."""
    found = inspect.signature(method).parameters.values()
    return {each.name: (each.annotation, each.default) for each in found if each.name != "self"}


def fields() -> Parameters:
    """The same of the fields of an order."""
    found = dataclasses.fields(Order)
    missing = (dataclasses.MISSING, inspect.Parameter.empty)
    return {
        each.name: (each.type, missing[1] if each.default is missing[0] else each.default) for each in found
    }


@pytest.mark.parametrize("method", [perceptis.Client.generate, perceptis.AsyncClient.generate])
def test_generate_takes_the_fields_of_an_order(method: Callable[..., Any]) -> None:
    assert list(parameters(method).items()) == list(fields().items())


@pytest.mark.parametrize("method", [perceptis.Client.run, perceptis.AsyncClient.run])
def test_run_takes_the_fields_of_an_order_and_on_progress(method: Callable[..., Any]) -> None:
    taken = parameters(method)
    assert taken.pop("on_progress")[1] is None
    assert list(taken.items()) == list(fields().items())


@pytest.mark.parametrize("name", ["get_status", "wait", "download", "recover", "jobs", "forget"])
def test_other_methods_take_the_same_in_both_clients(name: str) -> None:
    assert parameters(getattr(perceptis.Client, name)) == parameters(getattr(perceptis.AsyncClient, name))
