"""The text set's answer key against DuckDB and plain Python on the delivered rows."""

from collections.abc import Callable
from itertools import combinations
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delab.data import Recipe, answer_key, dataset
from delab.data.text.documents import World
from delab.data.text.links import graph
from delab.errors import LabError

RECIPES = [Recipe(0.01, 3), Recipe(0.3, 2), Recipe(1, 1), Recipe(9.3, 7)]  # the last has more than one batch of documents
Ask = Callable[[str], list[tuple[Any, ...]]]
WORDS = r"(SELECT document_id, unnest(regexp_extract_all(lower(body), '\p{L}+')) AS word FROM documents)"


@pytest.fixture(scope="module", params=RECIPES, ids=str)
def recipe(request: pytest.FixtureRequest) -> Recipe:
    assert isinstance(request.param, Recipe)
    return request.param


@pytest.fixture(scope="module")
def ask(recipe: Recipe, open_warehouse: Callable[..., Ask]) -> Ask:
    return open_warehouse("text", recipe)


def truth(recipe: Recipe, name: str, **parameters: Any) -> list[tuple[Any, ...]]:
    table = answer_key("text", name, scale=recipe.scale, seed=recipe.seed, **parameters)
    return [tuple(row.values()) for row in table.to_pylist()]


def test_words_of_documents(recipe: Recipe, ask: Ask) -> None:
    theirs = ask(f"SELECT document_id, count(*), count(DISTINCT word) FROM {WORDS} GROUP BY 1 ORDER BY 1")
    assert truth(recipe, "document_words") == theirs


def test_word_counts(recipe: Recipe, ask: Ask) -> None:
    theirs = ask(f"SELECT word, count(*), count(DISTINCT document_id) FROM {WORDS} GROUP BY 1 ORDER BY 1")
    assert truth(recipe, "word_counts") == theirs


def shingled(width: int) -> str:
    parts = " || ' ' || ".join(f"words[i + {place}]" for place in range(width))
    return rf"""
        WITH texts AS (SELECT document_id, regexp_extract_all(lower(body), '\p{{L}}+') AS words FROM documents),
        runs AS (SELECT DISTINCT document_id, {parts} AS run
                 FROM (SELECT document_id, words, unnest(range(1, len(words) - {width - 2})) AS i FROM texts)),
        sizes AS (SELECT document_id, count(*) AS n FROM runs GROUP BY 1),
        common AS (SELECT a.document_id AS a, b.document_id AS b, count(*) AS shared
                   FROM runs a JOIN runs b ON a.run = b.run AND a.document_id < b.document_id GROUP BY 1, 2)"""


@pytest.mark.parametrize(("width", "least"), [(3, 0.5), (3, 0.3), (4, 0.9)])
def test_near_duplicates_among_all_pairs(recipe: Recipe, ask: Ask, width: int, least: float) -> None:
    theirs = ask(f"""{shingled(width)}
        SELECT a, b, shared, one.n + other.n - shared AS together, shared::double / (one.n + other.n - shared) AS jaccard
        FROM common JOIN sizes one ON one.document_id = a JOIN sizes other ON other.document_id = b
        WHERE jaccard >= {least} ORDER BY a, b""")
    assert sorted(truth(recipe, "near_duplicates", width=width, least=least)) == theirs


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_documents_that_copy_nothing_are_far_from_alike(open_warehouse: Callable[..., Ask], seed: int) -> None:
    world = World(1, Recipe(4, seed))
    every = world.documents(0, world.count)
    origin = dict(enumerate(every.origin.tolist(), 1))
    theirs = open_warehouse("text", Recipe(4, seed))(f"""{shingled(3)}
        SELECT a, b, shared::double / (one.n + other.n - shared) AS jaccard
        FROM common JOIN sizes one ON one.document_id = a JOIN sizes other ON other.document_id = b WHERE jaccard > 0.1""")
    assert len(theirs) > 400
    assert all(origin[a] == origin[b] for a, b, _ in theirs)


def test_exact_duplicates(recipe: Recipe, ask: Ask) -> None:
    theirs = ask("""
        SELECT document_id, min(document_id) OVER (PARTITION BY body) AS first FROM documents
        QUALIFY document_id > first ORDER BY 1""")
    assert truth(recipe, "exact_duplicates") == theirs


def test_link_counts(recipe: Recipe, ask: Ask) -> None:
    theirs = ask("""
        SELECT document_id, (SELECT count(*) FROM links WHERE source_id = document_id),
               (SELECT count(*) FROM links WHERE target_id = document_id) FROM documents ORDER BY 1""")
    assert truth(recipe, "link_counts") == theirs


@pytest.mark.parametrize("damping", [0.85, 0.5])
def test_pagerank_by_iteration_in_sql(recipe: Recipe, damping: float) -> None:
    data, session = dataset("text"), duckdb.connect()
    for table in ("documents", "links"):
        session.register(table, data.rows(table, recipe))
    session.execute("CREATE TABLE degree AS SELECT source_id AS id, count(*) AS n FROM links GROUP BY 1")
    session.execute("CREATE TABLE edge AS SELECT source_id, target_id, n FROM links JOIN degree ON id = source_id")
    session.execute("CREATE TABLE rank AS SELECT document_id AS id, 1.0::double / count(*) OVER () AS r FROM documents")
    for _ in range(120 if damping > 0.5 else 40):
        session.execute(f"""
            CREATE OR REPLACE TABLE rank AS
            WITH loose AS (SELECT coalesce(sum(r), 0) AS r FROM rank WHERE id NOT IN (SELECT id FROM degree)),
            got AS (SELECT target_id AS id, sum(r / n) AS r FROM edge JOIN rank ON id = source_id GROUP BY 1)
            SELECT rank.id, {damping} * (coalesce(got.r, 0) + (SELECT r FROM loose) / (SELECT count(*) FROM rank))
                            + (1 - {damping}) / (SELECT count(*) FROM rank) AS r
            FROM rank LEFT JOIN got ON got.id = rank.id""")
    theirs = dict(session.sql("SELECT id, r FROM rank").fetchall())
    mine = truth(recipe, "pagerank", damping=damping)
    assert abs(sum(rank for _, rank in mine) - 1) < 1e-12
    assert sum(abs(rank - theirs[document]) for document, rank in mine) < 2 * damping**40 / (1 - damping) + 1e-11 * (damping < 0.6)
    assert max(abs(rank - theirs[document]) for document, rank in mine) < 1e-9


@given(
    scale=st.sampled_from([0.001, 0.02, 0.1, 0.4]), seed=st.integers(0, 2**63 - 1), damping=st.sampled_from([0.0, 0.3, 0.85, 0.95])
)
@settings(max_examples=20, deadline=None)
def test_pagerank_solves_its_equation(scale: float, seed: int, damping: float) -> None:
    world = World(1, Recipe(scale, seed))
    n = world.count
    source, target = graph(world)
    matrix = np.zeros((n, n))
    matrix[target, source] = 1
    out = matrix.sum(axis=0)
    matrix = np.where(out > 0, matrix / np.maximum(out, 1), 1 / n)
    solved = np.linalg.solve(np.eye(n) - damping * matrix, np.full(n, (1 - damping) / n))
    mine = np.array([rank for _, rank in truth(Recipe(scale, seed), "pagerank", damping=damping)])
    assert np.abs(mine - solved).sum() < 1e-10


def test_relevance(recipe: Recipe, open_warehouse: Callable[..., Ask]) -> None:
    data, session = dataset("text"), duckdb.connect()
    session.register("documents", data.rows("documents", recipe))
    for name in ("topics", "query_terms"):
        session.register(name, answer_key("text", name, scale=recipe.scale, seed=recipe.seed))
    theirs = session.sql(r"""
        WITH texts AS (SELECT document_id, language, topic, second_topic, regexp_extract_all(lower(body), '\p{L}+') AS held
                       FROM documents JOIN topics USING (document_id)),
        found AS (SELECT query_id, document_id, texts.topic = query_terms.topic AS first,
                         len(list_intersect(held, string_split(terms, ' '))) AS hits
                  FROM texts JOIN query_terms ON texts.language = query_terms.language
                  AND query_terms.topic IN (texts.topic, second_topic))
        SELECT query_id, document_id, CASE WHEN first THEN hits ELSE 1 END FROM found WHERE hits > 0""").fetchall()
    assert sorted(truth(recipe, "relevance")) == sorted(theirs)


def test_every_grade_is_given_and_terms_alone_do_not_make_a_document_relevant(open_warehouse: Callable[..., Ask]) -> None:
    recipe = Recipe(5, 4)
    grades = [grade for *_, grade in truth(recipe, "relevance")]
    assert all(grades.count(grade) > 100 for grade in (1, 2, 3))
    assert len({query for query, _, grade in truth(recipe, "relevance") if grade == 3}) > 40
    relevant = {row[:2] for row in truth(recipe, "relevance")}
    terms = {query: set(said.split()) for query, _, _, said in truth(recipe, "query_terms")}
    ask = open_warehouse("text", recipe)
    traps = 0
    for document, body in ask("SELECT document_id, lower(body) FROM documents LIMIT 1000"):
        held = set(body.replace(".", "").replace(",", "").split())
        traps += sum(bool(words & held) and (query, document) not in relevant for query, words in terms.items())
    assert traps > 100


def test_queries_hold_their_terms_in_their_language(recipe: Recipe, ask: Ask) -> None:
    asked = {query: (text.split(), language) for query, text, language in ask("SELECT * FROM queries")}
    for query, language, _, terms in truth(recipe, "query_terms"):
        assert len(set(terms.split())) == 3
        assert set(terms.split()) <= set(asked[query][0])
        assert asked[query][1] == language


def test_every_document_has_a_topic(recipe: Recipe, ask: Ask) -> None:
    topics = truth(recipe, "topics")
    assert [document for document, *_ in topics] == [
        document for (document,) in ask("SELECT document_id FROM documents ORDER BY 1")
    ]
    assert all(first != second for _, first, second in topics)


def test_clean_totals(recipe: Recipe, ask: Ask) -> None:
    for table, what, total in truth(recipe, "clean_totals"):
        source = {"rows": table, "words": WORDS}[what]
        assert ask(f"SELECT count(*) FROM {source}") == [(total,)]


@given(scale=st.sampled_from([0.001, 0.05, 0.4]), seed=st.integers(0, 2**63 - 1))
@settings(max_examples=8, deadline=None)
def test_every_answer_holds_at_any_scale_and_seed(open_warehouse: Callable[..., Ask], scale: float, seed: int) -> None:
    recipe = Recipe(scale, seed)
    ask = open_warehouse("text", recipe)
    for check in (test_words_of_documents, test_word_counts, test_exact_duplicates, test_link_counts, test_clean_totals):
        check(recipe, ask)
    test_near_duplicates_among_all_pairs(recipe, ask, 3, 0.3)
    test_relevance(recipe, open_warehouse)
    test_queries_hold_their_terms_in_their_language(recipe, ask)


def test_near_duplicates_as_plain_sets() -> None:
    recipe = Recipe(0.2, 11)
    bodies = dataset("text").rows("documents", recipe)["body"].to_pylist()
    texts = ["".join(letter if letter.isalpha() else " " for letter in body.lower()).split() for body in bodies]
    runs = [set(zip(words, words[1:], words[2:], strict=False)) for words in texts]
    theirs = []
    for a, b in combinations(range(len(runs)), 2):
        shared, together = len(runs[a] & runs[b]), len(runs[a] | runs[b])
        if shared / together >= 0.5:
            theirs.append((a + 1, b + 1, shared, together, shared / together))
    assert theirs
    assert sorted(truth(recipe, "near_duplicates")) == theirs


@given(seed=st.integers(0, 2**63 - 1), rate=st.sampled_from([0.05, 1.0]))
@settings(max_examples=5, deadline=None)
def test_a_repaired_load_comes_to_the_truth(open_warehouse: Callable[..., Ask], seed: int, rate: float) -> None:
    data = dataset("text")
    recipe = data.recipe(0.2, seed, dict.fromkeys(data.faults, rate))
    ask = open_warehouse("text", recipe, planted=True)
    into = ask("""
        SELECT coalesce(was, target_id::varchar)::bigint, count(*) FROM (SELECT DISTINCT ON (link_id) * FROM links) AS rows
        LEFT JOIN planted ON key = link_id AND "table" = 'links' AND "column" = 'target_id' GROUP BY 1""")
    assert {(document, count) for document, _, count in truth(recipe, "link_counts") if count} == set(into)
    bodies = ask(r"""
        SELECT document_id, len(regexp_extract_all(coalesce(was, body), '\p{L}+'))
        FROM (SELECT DISTINCT ON (document_id) * FROM documents) AS rows
        LEFT JOIN planted ON key = document_id AND "table" = 'documents' AND "column" = 'body' ORDER BY 1""")
    assert [row[:2] for row in truth(recipe, "document_words")] == bodies


def test_faults_do_not_change_the_truth() -> None:
    data = dataset("text")
    for answer in data.answers().values():
        faulty = data.recipe(0.3, 1, dict.fromkeys(data.faults, 0.1))
        assert answer.compute(faulty, **answer.parameters).equals(answer.compute(Recipe(0.3, 1), **answer.parameters))


def test_answers_that_grow_come_in_pieces() -> None:
    data, recipe = dataset("text"), Recipe(20)
    growing = ("topics", "document_words", "near_duplicates", "exact_duplicates", "relevance")
    assert all(len(list(data.answers()[name].pieces(recipe))) > 1 for name in growing)


@pytest.mark.parametrize("said", [{"width": 2}, {"width": 5}, {"least": 0.1}, {"least": 1.1}])
def test_what_near_duplicates_cannot_answer_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(LabError, match="expected a width"):
        answer_key("text", "near_duplicates", **said)


@pytest.mark.parametrize("said", [{"damping": 1.0}, {"damping": -0.1}, {"tolerance": 0.0}])
def test_what_pagerank_cannot_answer_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(LabError, match="expected a damping"):
        answer_key("text", "pagerank", **said)
