"""Datasets, their versions, and the budget of their patients."""

from typing import Any

from fastapi import APIRouter

from service import catalogue
from service.api.caller import Caller, Here

router = APIRouter(tags=["catalogue"])


@router.get("/datasets")
def get_datasets(here: Here, caller: Caller) -> dict[str, Any]:
    """List the datasets you may know of."""
    return {"items": catalogue.listing(here, caller)}


@router.get("/datasets/{dataset}")
def get_dataset(dataset: str, here: Here, caller: Caller) -> dict[str, Any]:
    """Show a dataset."""
    return catalogue.show(here, caller, dataset)


@router.get("/datasets/{dataset}/versions/{number}")
def get_version(dataset: str, number: int, here: Here, caller: Caller) -> dict[str, Any]:
    """Show a version: tables and columns; counts where the data class or your role allows."""
    return catalogue.version(here, caller, dataset, number)


@router.get("/datasets/{dataset}/versions/{number}/diff")
def get_diff(dataset: str, number: int, since: int, here: Here, caller: Caller) -> dict[str, Any]:
    """Show what changed since another version."""
    return catalogue.diff(here, caller, dataset, since, number)


@router.get("/recipes")
def get_recipes(here: Here, caller: Caller) -> dict[str, Any]:
    """List the feature recipes."""
    return {"items": catalogue.recipes(here, caller)}


@router.get("/recipes/{recipe}")
def get_recipe(recipe: str, here: Here, caller: Caller) -> dict[str, Any]:
    """Show a recipe: the names of its features, in the order of the model's input, and of its classes."""
    return catalogue.recipe(here, caller, recipe)


@router.get("/budget")
def get_budget(dataset: str, here: Here, caller: Caller) -> dict[str, Any]:
    """Show what the patients of a dataset have been charged, as far as you may know."""
    return catalogue.budget(here, caller, dataset)
