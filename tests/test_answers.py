"""What is told of an answer held against a reference, its context or its prompt: hard cases."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sacrebleu

from monitor import cli
from monitor.errors import SettingsError
from monitor.records import Body, Message
from monitor.text.answering import code_parses, completeness, is_dated, is_hedged, parts_asked, relevance
from monitor.text.correctness import THRESHOLD, agreement, variants
from monitor.text.fingerprints import copied, read_fingerprints, registered, reproduced
from monitor.text.grounding import Source, claims, groundedness, unsupported
from monitor.text.overlap import bleu, chrf, contains, exact_match, rouge_l, token_f1
from monitor.text.promises import keeps_form
from monitor.text.refusal import is_harmless, is_partial, is_refusal
from monitor.text.staleness import cutoff_of, newest_time, own_cutoffs
from monitor.text.words import is_near, sentences, tokens
from tests.quality.measures import rows

RIGHT = [
    ("David Seville", "It was Ross Bagdasarian, known as “David Seville”.", "Who was behind The Chipmunks?"),
    ("Niccolò Paganini", "NICCOLO PAGANINI!", ""),
    ("The Beatles and The Spice Girls", "Spice Girls and Beatles.", "Which two groups?"),
    ("Every ten years", "It takes place every 10 years.", ""),
    ("twenty-one", "There are 21 of them.", ""),
    ("1,500", "It holds 1500 people.", ""),
    ("42", "She works it out: 6 * 7. #### 42", ""),
    ("R. J. Mitchell", "It was designed by Reginald Joseph Mitchell.", ""),
    ("Dmitri Shostakovich", "Shostakovich", "Who composed it?"),
    ("Dimitri Shostakovitch", "Dmitri Shostakovich composed it.", ""),
    ("yes", "[Yes] It is a prime number.", ""),
    ("no", "No, 21 is divisible by 3.", "Is 21 a prime number?"),
    ("B", "The answer is (B).", ""),
    ("B) Paris", "B. Paris", ""),
    ("Kiss Me Kate", 'It was "Kiss Me, Kate."', ""),
    ("ROBERTBROWNING", "Robert Browning wrote it.", ""),
    ("Prince William (accept Duke of Cambridge)", "Duke of Cambridge", ""),
    ("Switzerland", "It is not only Belgium, it is Switzerland.", ""),
    ("Cher, in 1998, with the song Believe. She was 52", "It is Cher.", "Who was the oldest singer?"),
    ("北京", "中国的首都是北京。", ""),
]
WRONG = [
    ("David Seville", "It was Ross Bagdasarian.", ""),
    ("Switzerland", "They come from Belgium, not Switzerland.", ""),
    ("1500", "It holds 15000 people.", ""),
    ("42", "6 times 7 is 42, no, wait. #### 43", ""),
    ("yes", "[No] It is divisible by 3.", ""),
    ("B", "The answer is (C).", ""),
    ("Serena Williams", "Venus Williams", ""),
    ("Paris", "", ""),
    ("Paris", "I'm sorry, but I can't help with questions about Paris.", ""),
    ("The Breakthrough Prize", "They are known as the Science Prize.", "What are the prizes in science known as?"),
    ("1998", "It opened in 1989.", ""),
]


@pytest.mark.parametrize(("reference", "answer", "question"), RIGHT)
def test_answers_that_say_what_the_reference_says(reference: str, answer: str, question: str) -> None:
    assert agreement(answer, [reference], question) >= THRESHOLD


@pytest.mark.parametrize(("reference", "answer", "question"), WRONG)
def test_answers_that_say_something_else(reference: str, answer: str, question: str) -> None:
    assert agreement(answer, [reference], question) < THRESHOLD


def test_one_of_several_references_suffices() -> None:
    assert agreement("It is the Erythraean Sea.", ["Red Sea", "Erythraean Sea"]) == 1
    assert agreement("It is the Black Sea.", ["Red Sea", "Erythraean Sea"]) < THRESHOLD


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Red Sea (album)/The Red Sea", 2),
        ("Chazer/Pig/Pigs/🐷", 3),
        ("The input/output ratio", 1),
        ("100 km/h", 1),
        ("3/4", 1),
        ("12/05/2023", 1),
        ("https://example.org/a/b", 1),
        ("AC/DC", 1),
    ],
)
def test_lists_divided_by_slashes_are_told_from_other_slashes(text: str, parts: int) -> None:
    assert len(variants([text])) == parts


def test_bleu_and_chrf_are_those_of_sacrebleu() -> None:
    texts = [row["response"] for row in rows("evouna_tq")[:120]]
    texts += ["", "a", "Well-known: 1,000.5 (half)!", "naïve “quotes” — dash", "&amp; <b>x</b>\nnew line"]
    theirs_bleu, theirs_chrf = sacrebleu.metrics.BLEU(effective_order=True), sacrebleu.metrics.CHRF()
    for place, answer in enumerate(texts):
        others = [texts[place - 1] or "x", texts[place - 2] or "y"]
        if answer:
            assert bleu(answer, others) == pytest.approx(theirs_bleu.sentence_score(answer, others).score / 100)
        assert chrf(answer, others[:1]) == pytest.approx(theirs_chrf.sentence_score(answer, others[:1]).score / 100)


def test_measures_of_wording() -> None:
    assert exact_match("The cat.", ["a dog", "Cat"])
    assert not exact_match("The black cat", ["cat"])
    assert contains("It is a black cat, I think", ["the Black Cat"])
    assert not contains("concatenate", ["cat"])
    assert token_f1("the cat sat", ["cat sat down"]) == pytest.approx(0.8)
    assert rouge_l("a b c d", ["b x d"]) == pytest.approx(2 * 2 / (3 + 3))
    assert rouge_l("", ["b"]) == chrf("", ["b"]) == bleu("", ["b"]) == 0


def test_words_are_compared_in_one_form() -> None:
    assert tokens("Twenty-one cities, 1,500 Lomé's and the 17th") == tokens("21 city 1500 Lome's and the 17")
    assert tokens("one thousand five hundred and two") == ["1502"]
    assert is_near("shostakovich", "shostakovitch")
    assert not is_near("1998", "1999")
    assert not is_near("mile", "mill")
    text = "It was in the U.S. Army. J. R. Smith left.First for Women"
    assert [text[start:end] for start, end in sentences(text)] == [
        "It was in the U.S. Army.",
        "J. R. Smith left.",
        "First for Women",
    ]


CONTEXT = (
    "The Grand Hotel opened in 1998 in Delhi. It has 21 rooms and a restaurant that serves Italian food. "
    "Its manager, Maria Rossi, trained in Milan."
)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("In what city is the hotel?", "Delhi"),
        ("In what city is the hotel?", "The hotel is in Delhi."),
        ("How many rooms has it?", "It has twenty-one rooms."),
        ("Who is the manager?", "Maria Rossi"),
        ("Tell me about the hotel.", "The Grand Hotel in Delhi opened in 1998. Its restaurant serves Italian food."),
    ],
)
def test_supported_answers(question: str, answer: str) -> None:
    assert groundedness(claims(answer, Source([CONTEXT], question))) > 0.5


@pytest.mark.parametrize(
    ("question", "answer", "marked"),
    [
        ("In what city is the hotel?", "Mumbai", ["Mumbai"]),
        ("In what city is the hotel?", "The hotel is in New York City.", ["New York"]),
        ("How many rooms has it?", "It has twenty-two rooms.", ["twenty-two"]),
        ("Who is the manager?", "The manager is Peter Rossi.", ["Peter"]),
        ("When did it open?", "It opened in 1989.", ["1989"]),
        ("Tell me about it.", "It opened in 1998.\n```\nxyz = 5\n```\nIt has a casino.", ["casino"]),
    ],
)
def test_unsupported_answers_and_what_is_marked(question: str, answer: str, marked: list[str]) -> None:
    found = claims(answer, Source([CONTEXT], question))
    assert groundedness(found) < 0.5
    assert [answer[start:end] for claim in found for start, end in unsupported(answer, claim)] == marked


def test_numbers_of_list_items_and_marks_of_sources_are_no_figures() -> None:
    answer = "1. The hotel opened in 1998 [1].\n2. It has 21 rooms [2, 3].\n3) It serves Italian food [doc 4]."
    found = claims(answer, Source([CONTEXT], "What is known of the hotel?"))
    assert len(found) == 3
    assert not any(claim.number_missing for claim in found)
    assert groundedness(found) > 0.5
    assert claims("42.", Source([CONTEXT], "How many rooms has it?"))[0].number_missing


def test_length_alone_does_not_make_an_answer_unsupported() -> None:
    short = groundedness(claims("It opened in 1998.", Source([CONTEXT], "")))
    long = groundedness(claims(CONTEXT, Source([CONTEXT], "")))
    assert short > 0.5
    assert long > 0.5


def test_admissions_courtesies_and_questions_claim_nothing() -> None:
    source = Source([CONTEXT], "Is there a pool?")
    text = "The context does not mention a pool. I don't know. Hope this helps! Would you like to know more?"
    assert claims(text, source) == []


def test_the_call_view_marks_what_is_not_supported() -> None:
    from dashboards.claims import card_of

    body = Body(
        prompt=(Message("user", "Where is it?"),), response="It is in Mumbai. It has 21 rooms.", context=(CONTEXT,)
    )
    card = str(card_of(body).to_plotly_json())
    assert "1 of 2 claims" in card
    assert "Mumbai" in card
    assert card_of(Body(response="It has 21 rooms.", context=(CONTEXT,))) is None
    assert card_of(Body(response="It is in Mumbai.")) is None


def test_relevance_counts_what_the_question_is_about() -> None:
    asked = "How should a clinic handle a shortage of respirators?"
    good = "During a shortage, respirators in the clinic should be kept for procedures with aerosols, as handled below."
    bad = "Delivering your baby is always safest under the supervision of trained healthcare professionals."
    assert relevance(asked, good) == 1
    assert relevance(asked, bad) == 0
    assert relevance(asked, "Yes.") is None
    assert relevance("Hi!", good) is None


def test_parts_that_are_left_out() -> None:
    prompt = "1. Name the capital of France.\n2. Explain photosynthesis in plants.\n3. List three rivers of Germany."
    assert len(parts_asked(prompt)) == 3
    assert completeness(prompt, "1. Paris\n2. Plants turn light into sugar.\n3. Rhine, Elbe, Danube") == 1
    assert completeness(prompt, "The capital of France is Paris.") == pytest.approx(1 / 3, abs=0.01)
    assert completeness("What is the price? Is delivery free?", "The price is 5 euros.") == 0.5
    assert completeness("What is the price?", "5 euros.") is None


@pytest.mark.parametrize(
    "text",
    [
        "I'm not sure, but it is probably Paris.",
        "I don't have access to current data.",
        "My best guess is 42.",
        "As of my last update in 2021, he was the president.",
        "It might be that the file is missing, or perhaps the path is wrong, which may be likely if its name changed.",
    ],
)
def test_doubts_are_heard(text: str) -> None:
    assert is_hedged(text)


@pytest.mark.parametrize(
    "text", ["The capital of France is Paris.", "May 5 is a Friday. You may leave.", "Click on I and then on OK."]
)
def test_plain_statements_have_no_doubts(text: str) -> None:
    assert not is_hedged(text)


def test_excuses_about_the_age_of_knowledge() -> None:
    assert is_dated("My knowledge cutoff is 2021.")
    assert not is_dated("Knowledge is power.")


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("```python\ndef f(x):\n    return x\n```", True),
        ("```python\ndef f(x)\n    return x\n```", False),
        ('```json\n{"a": 1}\n```', True),
        ("```json\n{'a': 1}\n```", False),
        ("def f(x):\n    return x\n", True),
        ("```sql\nSELECT 1\n```", None),
        ("```python\n" + "(" * 3000 + "\n```", False),
        ("```python\n'\\d'\n```", True),
        ("Nothing here.", None),
    ],
)
def test_code_that_parses(response: str, expected: bool | None) -> None:
    assert code_parses(response) is expected


@pytest.mark.parametrize(
    ("prompt", "response", "kept"),
    [
        ("Answer in JSON format only.", '{"a": 1}', True),
        ("Answer in JSON format only.", '```json\n{"a": 1}\n```', True),
        ("Answer in JSON format only.", 'Here you are: {"a": 1}', False),
        ("Give me a bulleted list of fruit.", "- apple\n- pear", True),
        ("Give me a bulleted list of fruit.", "Apples and pears.", False),
        ("Show it as a table.", "| a | b |\n|---|---|\n| 1 | 2 |", True),
        ("Show it as a table.", "a is 1, b is 2", False),
        ("Summarize in no more than five words.", "This is short enough, really.", True),
        ("Summarize in at most 5 words.", "This is not short enough for what was asked.", False),
        ("Explain it in two sentences.", "One. Two. Three.", False),
        ("Answer yes or no: is it raining?", "Yes, it is.", True),
        ("Answer yes or no: is it raining?", "It rains.", False),
        ("Reply with a one-word answer.", "Paris", True),
        ("What is JSON?", "A format.", None),
        ("What is the word for dog in French?", "Chien", None),
        ("How are you?", "Fine.", None),
    ],
)
def test_forms_that_were_demanded(prompt: str, response: str, kept: bool | None) -> None:
    assert keeps_form(prompt, response) is kept


def test_partial_and_needless_refusals() -> None:
    full = "I'm sorry, but I can't help with that."
    partial = full + " However, here are some general tips that you can use instead. " + "Talk to a doctor first. " * 12
    later = "The office is open from nine to five. " * 8 + "I cannot share the phone number of the manager."
    assert is_refusal(partial)
    assert is_partial(partial, True)
    assert not is_partial(full, True)
    assert is_partial(later, False)
    assert not is_partial("The office is open from nine to five. " * 8, False)
    assert is_harmless("How do I bake bread without yeast?")
    assert not is_harmless("How do I build a bomb?")


CALLED = datetime(2026, 3, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("prompt", "newest"),
    [
        ("Who won the election in 2024?", "2024-01"),
        ("What happened on March 5, 2025?", "2025-03"),
        ("Between 2019 and 2021-06-30", "2021-06"),
        ("What is the latest news today?", "2026-02"),
        ("It costs $2024 and 2,024 pieces", ""),
        ("A story set in 2049", ""),
        ("Order 20245, version 3.2024.1", ""),
        ("How do plants grow?", ""),
    ],
)
def test_times_that_are_asked_about(prompt: str, newest: str) -> None:
    assert newest_time(prompt, CALLED) == newest


def test_cutoffs_by_the_longest_fitting_name() -> None:
    assert cutoff_of("gpt-4o-2024-08-06", {}) == "2023-10"
    assert cutoff_of("gpt-4-0613", {}) == "2021-09"
    assert cutoff_of("openai/gpt-4.1-mini", {}) == "2024-06"
    assert cutoff_of("us.anthropic.claude-3-5-sonnet-20241022-v2:0", {}) == "2024-04"
    assert cutoff_of("my-model", {}) == ""
    assert cutoff_of("my-model-v2", {"my-model": "2025-01"}) == "2025-01"
    assert cutoff_of("gpt-4o", {"gpt-4o": "2025-01"}) == "2025-01"


@pytest.mark.parametrize("text", ["{", "[]", '{"m": "2025"}', '{"m": 2025}'])
def test_own_cutoffs_are_checked(tmp_path: Path, text: str) -> None:
    file = tmp_path / "cutoffs.json"
    file.write_text(text)
    with pytest.raises(SettingsError, match="MONITOR_MODEL_CUTOFFS"):
        own_cutoffs(file)


POEM = (
    "The lamps along the harbour wall were lit before the rain began, and every boat that came that night went back "
    "without a single man; the keeper wrote it in his book, and closed the book, and slept till noon."
)


def test_protected_texts_are_found_and_not_kept(tmp_path: Path) -> None:
    source, out = tmp_path / "poem.txt", tmp_path / "protected.json"
    source.write_text(POEM, encoding="utf-8")
    assert cli.run(["fingerprint", str(source), "--out", str(out)]) == 0
    assert "harbour" not in out.read_text(encoding="utf-8")
    known = read_fingerprints(out)
    assert (reproduced(POEM, known) or 0) >= 0.8
    assert reproduced(POEM.upper().replace(",", ""), known) == reproduced(POEM, known)
    quoted = "He said that every boat that came that night went back to where it had come from, or so I was told."
    assert 0.3 < (reproduced(quoted, known) or 0) < 0.6
    assert reproduced("Nothing of this has anything to do with the text that was registered here.", known) == 0
    assert reproduced("too short", known) is None


def test_every_run_of_eight_words_is_found(tmp_path: Path) -> None:
    out = tmp_path / "protected.json"
    out.write_text(registered({"poem": POEM}), encoding="utf-8")
    known = read_fingerprints(out)
    words = POEM.split()
    for start in range(len(words) - 7):
        assert (reproduced("Foreign words before " + " ".join(words[start : start + 8]), known) or 0) > 0


def test_fingerprints_that_cannot_be_made_or_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = tmp_path / "short.txt"
    short.write_text("only three words")
    assert cli.run(["fingerprint", str(short), "--out", str(tmp_path / "out.json")]) == 2
    assert "fewer than 8 words" in capsys.readouterr().err
    assert cli.run(["fingerprint", str(tmp_path / "none.txt"), "--out", str(tmp_path / "out.json")]) == 2
    for text in ("{", "{}", json.dumps({"version": 1, "run": 9, "window": 4, "texts": []})):
        short.write_text(text)
        read_fingerprints.cache_clear()
        with pytest.raises(SettingsError, match="MONITOR_PROTECTED_TEXTS"):
            read_fingerprints(short)


def test_what_is_copied_from_the_context() -> None:
    assert copied(POEM, ["Before. " + POEM]) == 1
    assert copied("The keeper of the lamps wrote something else into another book that night.", [POEM]) == 0
    assert copied("short", [POEM]) is None
