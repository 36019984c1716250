"""Reading through the engine: find, count, group, include."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
async def people(client: Any) -> Any:
    """Three persons in two cities, two with posts."""
    for name, city, points in (("Ada", "Rome", 1), ("Bob", "Rome", 2), ("Cleo", "Oslo", 4)):
        await client.person.create({"name": name, "email": f"{name.lower()}@x", "city": city, "points": points})
    await client.post.create_many(
        [
            {"title": "One", "views": 5, "published": True, "authorId": 1},
            {"title": "Two", "views": 7, "authorId": 1},
            {"title": "Three", "views": 9, "published": True, "authorId": 3},
        ]
    )
    await client.profile.create({"bio": "first", "person": {"connect": {"id": 1}}})
    return client


async def test_find_unique(people: Any) -> None:
    assert (await people.person.find_unique(where={"email": "bob@x"})).name == "Bob"
    assert await people.person.find_unique(where={"email": "nobody@x"}) is None
    with_filter = await people.person.find_unique(where={"id": 1, "AND": [{"city": "Oslo"}]})
    assert with_filter is None


async def test_find_unique_or_raise(people: Any, client_package: Any) -> None:
    assert (await people.person.find_unique_or_raise(where={"id": 3})).name == "Cleo"
    with pytest.raises(client_package.errors.RecordNotFoundError, match="required but not found"):
        await people.person.find_unique_or_raise(where={"id": 99})


async def test_find_first(people: Any, client_package: Any) -> None:
    assert (await people.person.find_first(order={"points": "desc"})).name == "Cleo"
    assert (await people.person.find_first(skip=1, order={"points": "asc"})).name == "Bob"
    assert await people.person.find_first(where={"name": "Zoe"}) is None
    with pytest.raises(client_package.errors.RecordNotFoundError):
        await people.person.find_first_or_raise(where={"name": "Zoe"})
    assert (await people.person.find_first_or_raise(where={"name": "Ada"})).id == 1


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ({}, ["Ada", "Bob", "Cleo"]),
        ({"city": "Rome"}, ["Ada", "Bob"]),
        ({"city": {"not": "Rome"}}, ["Cleo"]),
        ({"points": {"gt": 1, "lte": 4}}, ["Bob", "Cleo"]),
        ({"name": {"in": ["Ada", "Cleo"]}}, ["Ada", "Cleo"]),
        ({"name": {"not_in": ["Ada", "Cleo"]}}, ["Bob"]),
        ({"name": {"startswith": "C"}}, ["Cleo"]),
        ({"name": {"endswith": "b"}}, ["Bob"]),
        ({"OR": [{"name": "Ada"}, {"points": 4}]}, ["Ada", "Cleo"]),
        ({"NOT": [{"city": "Rome"}]}, ["Cleo"]),
        ({"posts": {"some": {"published": True}}}, ["Ada", "Cleo"]),
        ({"posts": {"every": {"published": True}}}, ["Bob", "Cleo"]),
        ({"posts": {"none": {}}}, ["Bob"]),
        ({"profile": {"is": {"bio": "first"}}}, ["Ada"]),
        ({"profile": {"is_not": {"bio": "first"}}}, ["Bob", "Cleo"]),
        ({"role": "USER", "city": "Oslo"}, ["Cleo"]),
    ],
)
async def test_find_many_filters(people: Any, where: dict[str, Any], names: list[str]) -> None:
    found = await people.person.find_many(where=where, order={"id": "asc"})
    assert [person.name for person in found] == names


async def test_case_sensitivity(people: Any) -> None:
    assert await people.person.find_first(where={"name": {"contains": "ADA"}}) is None
    found = await people.person.find_first(where={"name": {"contains": "ADA", "mode": "insensitive"}})
    assert found.name == "Ada"


async def test_pages_by_cursor_and_offset(people: Any) -> None:
    second = await people.person.find_many(take=2, skip=1, cursor={"id": 1}, order={"id": "asc"})
    assert [person.id for person in second] == [2, 3]
    backwards = await people.person.find_many(take=-1, order={"id": "asc"})
    assert [person.id for person in backwards] == [3]
    assert len(await people.person.find_many(distinct=["city"])) == 2


async def test_orders_by_several_columns(people: Any) -> None:
    found = await people.person.find_many(order=[{"city": "asc"}, {"points": "desc"}])
    assert [person.name for person in found] == ["Cleo", "Bob", "Ada"]


async def test_full_text_search(people: Any) -> None:
    found = await people.post.find_many(where={"title": {"search": "one | three"}}, order={"id": "asc"})
    assert [post.title for post in found] == ["One", "Three"]


async def test_count(people: Any) -> None:
    assert await people.person.count() == 3
    assert await people.person.count(where={"city": "Rome"}) == 2
    assert await people.person.count(take=1) == 1
    assert await people.person.count(select={"_all": True, "city": True, "name": False}) == {"_all": 3, "city": 3}


async def test_group_by(people: Any) -> None:
    groups = await people.person.group_by(
        by=["city"], count=True, sum={"points": True}, avg={"points": True}, order={"city": "asc"}
    )
    assert groups == [
        {"city": "Oslo", "_count": {"_all": 1}, "_sum": {"points": 4}, "_avg": {"points": 4}},
        {"city": "Rome", "_count": {"_all": 2}, "_sum": {"points": 3}, "_avg": {"points": 1.5}},
    ]
    having = await people.person.group_by(
        by=["city"], min={"points": True}, max={"points": True}, having={"points": {"_sum": {"gt": 3}}}
    )
    assert having == [{"city": "Oslo", "_min": {"points": 4}, "_max": {"points": 4}}]


async def test_include(people: Any) -> None:
    ada = await people.person.find_unique(where={"id": 1}, include={"posts": True, "profile": True})
    assert [post.title for post in ada.posts] == ["One", "Two"]
    assert ada.profile.bio == "first"
    filtered = await people.person.find_many(
        order={"id": "asc"},
        include={"posts": {"where": {"views": {"gt": 5}}, "order_by": {"views": "desc"}, "take": 1}},
    )
    assert [[post.title for post in person.posts] for person in filtered] == [["Two"], [], ["Three"]]


async def test_nested_include(people: Any) -> None:
    post = await people.post.find_first(where={"title": "Two"}, include={"author": {"include": {"profile": True}}})
    assert (post.author.name, post.author.profile.bio) == ("Ada", "first")
    alone = await people.post.create({"title": "alone"}, include={"author": True})
    assert alone.author is None


async def test_model_methods(people: Any, client_package: Any) -> None:
    person = client_package.models.Person
    assert (await person.prisma(people).find_unique(where={"id": 2})).name == "Bob"


async def test_model_that_ends_like_an_action(client: Any, client_package: Any) -> None:
    task = await client.taskorthrow.create({"name": "a"})
    assert (await client.taskorthrow.find_unique(where={"id": task.id})).name == "a"
    assert (await client.taskorthrow.find_first_or_raise(where={"name": "a"})).id == task.id
    with pytest.raises(client_package.errors.RecordNotFoundError):
        await client.taskorthrow.find_unique_or_raise(where={"id": 99})
