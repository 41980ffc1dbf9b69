"""Write the questionnaire vsm13 with ten tuning wordings an item in English, instead of three.

Run it as `python research/ten_wordings.py FILE`. Ways to begin are crossed with ways to name the thing, so that
neither tells the other. What that gives is in log.md.
"""

import json
import re
import sys
import tomllib
from importlib.resources import files
from pathlib import Path

JOB = [
    "In an ideal job, how important to you is {}?",
    "If you could choose any job, how important would {} be to you?",
    "How important do you find {} in the job of your dreams?",
    "When you look for work, how much importance do you give to {}?",
    "Think of the best job you can imagine. Is {} important to you there?",
]
LIFE = [
    "In your private life, how important to you is {}?",
    "Outside work, how important would you say is {}?",
    "How important do you find {} in your life apart from work?",
    "At home and among friends, how much importance do you give to {}?",
    "Think of your life when you are not working. Is {} important to you?",
]
PHRASES = {
    "m01": [
        "having time left for yourself and your home",
        "time for your private and family life",
        "free hours for home and personal life",
        "enough leisure for your household",
        "not giving all your hours to work",
    ],
    "m02": [
        "a boss who deserves your respect",
        "a superior whom you respect",
        "being able to respect your boss",
        "a manager to look up to",
        "having a supervisor of whom you think well",
    ],
    "m03": [
        "being given credit for work done well",
        "being recognised when you perform well",
        "appreciation of your good work",
        "praise when you have earned it",
        "having your achievements noticed",
    ],
    "m04": [
        "being sure of keeping your employment",
        "a secure position",
        "job security",
        "a contract that will last",
        "knowing that you will not be dismissed",
    ],
    "m05": [
        "having agreeable colleagues",
        "working among nice people",
        "likeable co-workers",
        "a friendly team",
        "getting on with the people around you",
    ],
    "m06": [
        "having interesting tasks",
        "work that holds your interest",
        "interesting work",
        "doing things that do not bore you",
        "tasks that make you curious",
    ],
    "m07": [
        "a boss who asks for your view before deciding about your work",
        "being consulted when your boss decides about your work",
        "being asked by your boss about decisions on your work",
        "having a say when your manager decides what you do",
        "a manager who listens to you before changing your work",
    ],
    "m08": [
        "living in an attractive area",
        "a home in a good neighbourhood",
        "living in a pleasant place",
        "a nice part of the country to live in",
        "where you live being agreeable",
    ],
    "m09": [
        "work that your family and friends think highly of",
        "respect for it among your friends and relatives",
        "the respect of family and friends for your work",
        "relatives who admire what you do",
        "work of which the people close to you are proud",
    ],
    "m10": [
        "being able to move up to higher positions",
        "the prospect of promotion",
        "opportunities to be promoted",
        "a career that leads upwards",
        "advancing to a better post",
    ],
    "m11": [
        "having spare time for fun",
        "leaving room for having fun",
        "free time to enjoy yourself",
        "amusement and play",
        "hours to do as you like and enjoy it",
    ],
    "m12": [
        "being moderate and wanting little",
        "living modestly with few desires",
        "moderation and having few wishes",
        "being content with little",
        "holding your wishes down",
    ],
    "m13": [
        "doing a friend a favour",
        "being of service to a friend",
        "helping out a friend",
        "lending friends a hand",
        "being there when a friend needs something",
    ],
    "m14": [
        "being thrifty",
        "spending money sparingly",
        "being economical with money",
        "saving instead of spending",
        "not wasting money",
    ],
}
# A way to begin, and which of the five phrases follows.
PAIRS = [(3, 3), (4, 4), (0, 1), (1, 3), (2, 4), (3, 0), (4, 2)]
AGREE = [
    "Do you agree that {}?",
    "{}: do you agree?",
    "Is it your opinion that {}?",
    "Some say that {}. Do you agree?",
]
CLAIMS = {
    "m21": [
        "someone can manage people well without an exact answer to every question they ask",
        "a good manager need not have a precise reply to all that subordinates ask",
        "a person can be a good manager and still lack exact answers to some questions of subordinates",
        "one may lead a team well and yet not know the answer to all they ask",
    ],
    "m22": [
        "steady effort leads to results most surely",
        "keeping up the effort is the most certain road to results",
        "nothing brings results as surely as persistence",
        "whoever does not give up gets results in the end",
    ],
    "m23": [
        "an organisation in which some employees have two bosses must be avoided whatever it takes",
        "placing certain subordinates under two bosses is to be avoided at any price",
        "an organisation should never, whatever the cost, give some of its people two bosses",
        "nobody at work should ever have to answer to two bosses",
    ],
    "m24": [
        "employees should keep to company rules even when they believe that breaking one would help the company",  # noqa: E501
        "company rules must be obeyed, even by an employee who thinks a breach is good for the company",
        "a company rule should be kept even if the employee thinks the company would gain from breaking it",
        "rules at work hold also when breaking them seems useful to the employer",
    ],
}
CLAIM_PAIRS = [(0, 3), (1, 0), (2, 1), (3, 2), (2, 3), (3, 0), (1, 3)]
DIRECT = {
    "m15": [
        "How much of the time are you tense or nervous?",
        "Are there times when you feel nervous or tense, and how often?",
        "How often do you feel on edge?",
        "Do tension and nerves trouble you?",
        "How regularly do you feel under strain or nervous?",
        "Are you a nervous or tense person: how often?",
        "How often would people see you tense or nervous?",
    ],
    "m16": [
        "How much of the time are you happy?",
        "Are there times when you feel happy, and how often?",
        "How often do you feel glad to be alive?",
        "Does happiness come to you?",
        "How regularly do you feel happy?",
        "Are you a happy person: how often?",
        "How often would people see you happy?",
    ],
    "m17": [
        "Do others or circumstances prevent you from doing what you really want?",
        "Is there somebody or something that hinders you in doing what you want?",
        "Are your wishes blocked by other people or by circumstances?",
        "Do people around you, or the way things are, prevent what you would like to do?",
        "Is it others or circumstances that decide instead of your own wish?",
        "Do you find your way barred by people or conditions when you want something?",
        "Are you kept by others, or by how things are, from acting as you wish?",
    ],
    "m18": [
        "How do you feel, as far as health goes?",
        "How is your state of health?",
        "What would you call your health at the moment?",
        "In what health are you now?",
        "How well are you these days?",
        "How healthy are you at present?",
        "What is your health like now?",
    ],
    "m19": [
        "How proud are you to be a citizen of your country?",
        "Does being a citizen of your country make you proud?",
        "Your country and you its citizen: how proud are you?",
        "How much pride do you take in your citizenship?",
        "Do you feel pride in being a citizen of your country?",
        "Is your citizenship something to be proud of for you?",
        "How proud are you that you belong to your country as a citizen?",
    ],
    "m20": [
        "Are employees afraid to tell their boss that he is wrong?",
        "How often do people not dare to contradict their manager?",
        "At work, are people too scared to disagree with the boss?",
        "How often do workers keep silent because they fear their superior?",
        "Do subordinates fear to speak against the boss?",
        "How often is it fear that keeps people from contradicting their superior?",
        "Would you say that employees fear to contradict the person above them?",
    ],
}


def more_wordings(item: str) -> list[str]:
    """Return seven further wordings of an item."""
    if item in DIRECT:
        return DIRECT[item]
    if item in CLAIMS:
        claims = [AGREE[begin].format(CLAIMS[item][claim]) for begin, claim in CLAIM_PAIRS]
        return [claim[0].upper() + claim[1:] for claim in claims]
    begins = JOB if item <= "m10" else LIFE
    return [begins[begin].format(PHRASES[item][phrase]) for begin, phrase in PAIRS]


def main() -> None:
    """Write the file that the command line names."""
    text = files("acculturate.survey").joinpath("data/vsm13.toml").read_text("utf-8")
    lines = ["[languages.en.wordings]"]
    for item, wordings in tomllib.loads(text)["languages"]["en"]["wordings"].items():
        *tuning, held_out = wordings
        asked = [*tuning, *more_wordings(item), held_out]
        lines += [f"{item} = [", *(f"  {json.dumps(wording)}," for wording in asked), "]"]
    start = text.index(lines[0])
    rest = re.search(r"\n\[", text[start:])
    end = start + rest.start() if rest else len(text)
    text = text[:start] + "\n".join(lines) + "\n" + text[end:]
    Path(sys.argv[1]).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
