"""Makes the list of English words: `python -m tests.training.english` writes monitor/text/models/english_words.txt.

Words of three or more of the packaged training texts (origins and licences in the NOTICE files of
tests/training/data), words that have a weight in VADER or for toxicity, and words of chats and tweets written down
here. Short words that other languages share are left out, and so are English words that are everyday words elsewhere.
"""

from __future__ import annotations

import gzip
import json
import lzma
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from monitor.text.toxicity import BEGINNINGS, WORDS

DATA = Path(__file__).parent / "data"
LIST = Path(__file__).parent.parent.parent / "monitor" / "text" / "models" / "english_words.txt"

_LEAST_TEXTS = 3
_GARBLED = frozenset(("code", "GCG", "DSN", "random search", "suffix", "autodan"))
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
# Words of one or two letters that are English nearly wherever they are read.
_SHORT = frozenset("i it is if of by my he we up or oh im ur yo ya".split())  # noqa: SIM905
_CHAT = """
    lol lmao lmfao rofl omg wtf wth tbh imo imho idk btw fyi ffs smh ngl fr rn ikr yolo bro bruh dude dudes
    homie fam yall y'all ain't aint gonna wanna gotta gimme lemme kinda sorta outta dunno tho thru cuz cause coz
    bcuz plz pls thx tnx ty u're urs youre dont doesnt cant wont isnt wasnt didnt im ive id ill thats whats lets
    yeah yep yup yea nah nope nop hey hiya yo wassup sup gosh geez yikes ugh meh aww eww yay woo woohoo yum
    yummy haha hahaha hehe heh lolz luv dat dis dem wit nuttin nothin somethin everythin doin goin gettin tryin
    talkin lookin makin bout ima imma finna tryna whatever kiddo folks dope lit sick epic awesome cringe cringy
    salty savage legit vibe vibes chill slay goat based troll trolls trolling noob noobs newbie nerd nerds geek
    geeks jerk jerks weird weirdo freak freaks clown clowns sucks sucked suck crap crappy shitty fuck fucking
    damn dammit bullshit dumb dumber dumbest stupid idiot idiots moron morons loser losers ugly gross nasty lame
    boring annoying pathetic hilarious funny lovely cute sweet cool nice bye goodnight jk sec thnx boomer
    congrats rotfl wtg yaay boi great terrible horrible awful worst best better worse broken useless hopeless
    slow fast thanks thank sorry please hello goodbye morning tonight today tomorrow yesterday weekend monday
    tuesday wednesday thursday friday saturday sunday app apps bot bots chatbot update updates glitch glitchy
    laggy buggy bug bugs crash crashed crashes crashing refund scam scammer scammers rude helpful unhelpful love
    loved loving loves hate hated hates hating happy sad angry mad pissed upset excited tired hungry bored
    scared shut stop quit leave wait
"""
# Everyday words of other languages in Latin script, English as they look.
_ELSEWHERE = frozenset(
    """
    alt data windows format dns server css caps argument program null xml standard shift menu lock index head
    git emoji den das die des der dem dir mir war wer bin bist hat hast man mann mit gut nun nur als also am an
    alle all arm art bald band bank bitte boden brief bunt fall fast fest gang gift gut hand hell herd kind
    kinder land lang last laut leer list links los lust mag mode most mutter name note not rat rot sage sagen
    see sein seine stern tag tage taste teller tier tod tot ton um wand warm was weg weil wild wind winter wo
    wolf worm wort bad chef dick elf fasten les est une que qui des sur par pas pour dans son ses mes tes car
    chat chose coin comment dire dent fin four grand lire main mais mince mode non nous ont orange pain part
    pays petit plus pays pour prune sale sans seau sol son sort sous sang tale tape temps tour tout train vent
    venue vers vie voyage aura avoir aux bras case cent champ chair los las por para con una como mas son ser
    sin van ver vino vive voy ya solo sea red pan once mayor sale come fin dame dice grave idea pie real sentir
    todo tan tal leer pero mal casa dos tres sol del mi tu su se le lo la el al una che per sono dove cane casa
    male more dire fare solo estate camera sale ape fine mare pure sei sera bene come dei del alla ama amore ora
    tutti mio tuo sua ali het een van niet dat wel maar ook nog naar voor over door men wat wie waar hoe dan
    toen mijn hem haar ons hun zin boot brand brood door dag dorst eten had half hard heel helder hoop is in kan
    kin kop kom last leg man men met mode nog om op open rest roof slim slot smart spring stem tot under vast
    ver war was wel week west wet wind zee hem och det som att en ett jag du den han hon vi ni de att inte med
    ett fart slut barn bra god hus ja kan kock kista mat min mot men mitt not ner rad ram rum sex sin skin still
    stol under upp ur vad var vid hade fest fall full glad gift god hat hest hund hvor har ikke jeg kom meg noe
    over kun kan som til seg stor tall ta til time tid vin bok dog by fag fan far for from glass hag halt hem
    her hun is lag mor mot natt not on pa ser sky ski slag smal ala ale bar bez co czy do go jak jest kot kolor
    ma mam mi na nic nie no od oh on pan para po pole raz sam sen ser sok stop sto ten to tu tak tam tom ulica
    wino za ze bu ben sen on o bir var yok ne evet ada aku apa air akan anda dan dari di ini itu ke kami kita
    mana orang saya tidak untuk yang satu dua tiga
    """.split()  # noqa: SIM905
)
# Words of that list without which hardly an English sentence is said: they stay.
_STAY = frozenset(
    """
    all also be been best big but by can come do door down end even ever few first for from get give go good had
    half hard has have he help her here him his home hot how if is it just keep kind know last least left less
    let like little long look lot made make many may me more most much must my name need never new not now of
    off old on one only open or other our out over own part people real rest right said same see she should so
    some something stop such take than thanks that the them then there these they thing think this those time
    today together too try under up us very want was way we week well went were what when where which while who
    why will with work world would year yes you your
    """.split()  # noqa: SIM905
)


def texts() -> Iterator[str]:
    """The packaged English training texts."""
    with gzip.open(DATA / "chats.jsonl.gz", "rt", encoding="utf-8") as stream:
        for line in stream:
            yield from (value for value in json.loads(line).values() if isinstance(value, str))
    with lzma.open(DATA / "injection.jsonl.xz", "rt", encoding="utf-8") as stream:
        for line in stream:
            row = json.loads(line)
            if row["family"] not in _GARBLED:
                yield row["text"]


def words() -> list[str]:
    """The list, in order of the alphabet."""
    counts: Counter[str] = Counter()
    for text in texts():
        counts.update(set(_WORD.findall(text.lower().replace("\u2019", "'"))))
    found = {word for word, count in counts.items() if count >= _LEAST_TEXTS} | set(_CHAT.split())
    found |= {word for word in SentimentIntensityAnalyzer().lexicon if _WORD.fullmatch(word)}
    found |= {word for word in (*WORDS, *BEGINNINGS) if _WORD.fullmatch(word)}
    long = {word for word in found if len(word) > 2 and (word in _STAY or word not in _ELSEWHERE)}
    return sorted(long | _SHORT)


def main() -> None:
    """Writes the list."""
    found = words()
    LIST.write_text("\n".join(found) + "\n", encoding="utf-8")
    print(f"{len(found)} words: {LIST.name}")  # noqa: T201


if __name__ == "__main__":
    main()
