"""Names for runs that nobody named."""

from __future__ import annotations

import random

_ADJECTIVES = """
    able agile amber ample apt bold brave breezy bright brisk calm candid clear clever cool
    cosmic crisp curious daring deft eager early earnest even fair fine fleet fond frank
    fresh gentle glad golden grand green hale handy happy hardy honest humble keen kind
    lively loyal lucid lucky mellow merry mild modest neat nimble noble open patient plain
    polite proud quick quiet rapid rare ready robust rosy sharp shy silent sleek smart
    smooth snug solid spry steady still sturdy subtle sunny swift tidy tranquil true upbeat
    vivid warm wise witty
""".split()

_NOUNS = """
    badger bear beaver bee bison boar bream carp cat char clam cod condor coot crab crane
    cub curlew deer dove duck dunlin eagle eel egret eider elk ermine falcon fawn finch fox
    gannet goat goose grebe grouse gull hare hawk heron horse ibis jay kite koi lark lemur
    linnet lynx mackerel magpie marten mink mole moose moth newt otter owl oyster perch pike
    pipit plover pony puffin quail rail raven robin roe ruff salmon seal shrew shrike sole
    stoat stork swan swift teal tern thrush toad trout tuna turtle vole weasel whale wren
""".split()


def run_name() -> str:
    """Return a name of the form adjective-noun-number, such as ``brisk-heron-417``."""
    return f"{random.choice(_ADJECTIVES)}-{random.choice(_NOUNS)}-{random.randrange(1000)}"
