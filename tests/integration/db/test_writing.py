"""Writing through the engine: create, update, upsert, delete, nested writes."""

from __future__ import annotations

from typing import Any

import pytest


async def test_create_with_defaults_and_enum(client: Any) -> None:
    made = await client.person.create({"name": "Ada", "email": "a@x", "role": "ADMIN"})
    assert (made.id, made.role, made.points, made.city) == (1, "ADMIN", 0, None)


async def test_create_needs_its_fields(client: Any, client_package: Any) -> None:
    with pytest.raises(client_package.errors.MissingRequiredValueError, match="email"):
        await client.person.create({"name": "Ada"})


async def test_unknown_enum_value(client: Any, client_package: Any) -> None:
    with pytest.raises(client_package.errors.DataError, match="role"):
        await client.person.create({"name": "Ada", "email": "a@x", "role": "KING"})


async def test_create_many(client: Any, client_package: Any) -> None:
    rows = [{"name": "A", "email": "a@x"}, {"name": "B", "email": "b@x"}]
    assert await client.person.create_many(rows) == 2
    assert await client.person.create_many([*rows, {"name": "C", "email": "c@x"}], skip_duplicates=True) == 1
    with pytest.raises(client_package.errors.UniqueViolationError):
        await client.person.create_many(rows)
    assert await client.person.count() == 3


async def test_nested_create_and_connect(client: Any, json_of: Any) -> None:
    person = await client.person.create(
        {
            "name": "Ada",
            "email": "a@x",
            "profile": {"create": {"bio": "b"}},
            "posts": {"create": [{"title": "One", "labels": json_of({"a": 1})}, {"title": "Two"}]},
        },
        include={"profile": True, "posts": True},
    )
    assert person.profile.bio == "b"
    assert [(post.title, post.labels) for post in person.posts] == [("One", {"a": 1}), ("Two", None)]
    other = await client.post.create({"title": "Three", "author": {"connect": {"email": "a@x"}}})
    assert other.authorId == person.id


async def test_connect_or_create(client: Any) -> None:
    author = {"where": {"email": "a@x"}, "create": {"name": "Ada", "email": "a@x"}}
    for title in ("One", "Two"):
        await client.post.create({"title": title, "author": {"connect_or_create": author}})
    assert await client.person.count() == 1


async def test_update(client: Any) -> None:
    await client.person.create({"name": "Ada", "email": "a@x", "points": 3, "posts": {"create": [{"title": "One"}]}})
    updated = await client.person.update(
        where={"id": 1},
        data={
            "name": "Eve",
            "points": {"increment": 2},
            "city": None,
            "posts": {"update": [{"where": {"id": 1}, "data": {"title": "New"}}], "create": [{"title": "Two"}]},
        },
        include={"posts": {"order_by": {"id": "asc"}}},
    )
    assert (updated.name, updated.points, [post.title for post in updated.posts]) == ("Eve", 5, ["New", "Two"])
    assert await client.person.update(where={"id": 99}, data={"name": "x"}) is None


async def test_update_relations(client: Any) -> None:
    await client.person.create({"name": "Ada", "email": "a@x", "profile": {"create": {"bio": "b"}}})
    await client.person.create({"name": "Bob", "email": "b@x", "posts": {"create": [{"title": "One"}]}})
    changed = await client.person.update(
        where={"id": 1}, data={"profile": {"update": {"bio": "c"}}}, include={"profile": True}
    )
    assert changed.profile.bio == "c"
    moved = await client.post.update(where={"id": 1}, data={"author": {"connect": {"id": 1}}})
    assert moved.authorId == 1
    freed = await client.post.update(where={"id": 1}, data={"author": {"disconnect": True}})
    assert freed.authorId is None
    await client.person.update(where={"id": 1}, data={"posts": {"connect": [{"id": 1}]}})
    cleared = await client.person.update(
        where={"id": 1},
        data={"posts": {"set": []}, "profile": {"delete": True}},
        include={"posts": True, "profile": True},
    )
    assert (cleared.posts, cleared.profile) == ([], None)


async def test_update_and_delete_many(client: Any) -> None:
    await client.post.create_many([{"title": "One", "views": 1}, {"title": "Two", "views": 2}])
    assert await client.post.update_many(where={"views": {"gt": 1}}, data={"published": True}) == 1
    assert await client.post.delete_many(where={"published": True}) == 1
    assert await client.post.delete_many() == 1


async def test_upsert(client: Any) -> None:
    data = {"create": {"name": "rare"}, "update": {"name": "common"}}
    assert (await client.tag.upsert(where={"name": "rare"}, data=data)).name == "rare"
    assert (await client.tag.upsert(where={"name": "rare"}, data=data)).name == "common"
    assert await client.tag.count() == 1


async def test_delete(client: Any) -> None:
    await client.tag.create({"name": "rare"})
    assert (await client.tag.delete(where={"name": "rare"})).id == 1
    assert await client.tag.delete(where={"name": "rare"}) is None


async def test_compound_key(client: Any) -> None:
    await client.post.create({"title": "One", "tags": {"create": [{"tag": {"create": {"name": "t"}}, "rank": 1}]}})
    key = {"postId_tagId": {"postId": 1, "tagId": 1}}
    assert (await client.posttag.update(where=key, data={"rank": 5})).rank == 5
    assert (await client.posttag.find_unique(where=key, include={"tag": True})).tag.name == "t"


async def test_awkward_names(client: Any, json_of: Any) -> None:
    """A model may have fields that are called like the words of a request."""
    made = await client.awkward.create(
        {
            "data": json_of({"where": 1}),
            "where": json_of([1]),
            "create": json_of("text"),
            "set": json_of({"set": None}),
            "some": "x",
            "children": {"create": [{"data": json_of({"data": 1})}]},
        },
        include={"children": True},
    )
    assert (made.data, made.where, made.create, made.set) == ({"where": 1}, [1], "text", {"set": None})
    assert made.children[0].data == {"data": 1}
    child = await client.awkwardchild.update(
        where={"id": 1},
        data={"data": json_of([2]), "parent": {"update": {"data": json_of(3), "some": "y"}}},
        include={"parent": True},
    )
    assert (child.data, child.parent.data, child.parent.some) == ([2], 3, "y")
    assert (
        await client.awkwardchild.count(where={"parent": {"is": {"some": "y", "where": {"equals": json_of([1])}}}}) == 1
    )
    assert await client.awkward.count(where={"children": {"some": {"data": {"equals": json_of([2])}}}}) == 1
    assert await client.awkward.count(where={"data": {"equals": json_of(3)}, "some": "y"}) == 1


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "quotes \" and \\ and ' and `",
        "lines\n\r\t\x0b\x0c",
        "<b>&amp;</b> {} [] : , ( ) # $type",
        '{"$type":"Json","value":"x"}',
        "emoji 😀 and accents é",
        "\\u0041 \\n",
        "x" * 10_000,
        "'; DROP TABLE people; --",
        "",
    ],
)
async def test_texts_come_back_as_they_were(client: Any, text: str) -> None:
    made = await client.person.create({"name": text, "email": "a@x", "posts": {"create": [{"title": text}]}})
    found = await client.person.find_first(where={"name": text}, include={"posts": {"where": {"title": text}}})
    assert (made.name, found.name, found.posts[0].title) == (text, text, text)


async def test_a_zero_byte_is_refused(client: Any, client_package: Any) -> None:
    with pytest.raises(client_package.errors.DataError):
        await client.person.create({"name": "a\x00b", "email": "a@x"})
