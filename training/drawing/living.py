"""Animals, people and plants: one row per thing. Glyphs are from Noto Color Emoji (SIL OFL 1.1)."""

from __future__ import annotations

from functools import partial

from training.drawing.thing import Thing

animal = partial(Thing, kind="animal", holds=True)
bird = partial(Thing, kind="bird", holds=True)
fish = partial(Thing, kind="fish", place="water")
insect = partial(Thing, kind="insect", scale=0.38)
person = partial(Thing, kind="person", scale=0.75, holds=True)
mover = partial(Thing, kind="person", scale=0.75)  # a person whose hands are busy
plant = partial(Thing, kind="plant", scale=0.5)

ANIMALS: tuple[Thing, ...] = (
    animal(("cat", "kitty", "kitten"), "🐈", scale=0.5, recolour=True),
    animal(("dog", "puppy", "doggy"), "🐕", scale=0.55, recolour=True),
    animal(("wolf",), "🐺", scale=0.6, recolour=True),
    animal(("fox",), "🦊", scale=0.5, recolour=True),
    animal(("raccoon",), "🦝", scale=0.5),
    animal(("lion",), "🦁", scale=0.75),
    animal(("tiger",), "🐅", scale=0.75, recolour=True),
    animal(("horse", "pony"), "🐎", scale=0.85, recolour=True, top=0.38),
    animal(("unicorn",), "🦄", scale=0.75),
    animal(("zebra",), "🦓", scale=0.85),
    animal(("deer", "stag"), "🦌", scale=0.8),
    animal(("cow",), "🐄", scale=0.85, top=0.25),
    animal(("pig",), "🐖", scale=0.6, recolour=True, top=0.2),
    animal(("sheep", "lamb"), "🐑", scale=0.6, recolour=True),
    animal(("goat",), "🐐", scale=0.6, recolour=True),
    animal(("camel",), "🐫", scale=0.9, recolour=True),
    animal(("giraffe",), "🦒", scale=1.0),
    animal(("elephant",), "🐘", scale=1.0, recolour=True, top=0.2),
    animal(("rhinoceros", "rhino"), "🦏", scale=0.9, recolour=True, top=0.25),
    animal(("hippopotamus", "hippo"), "🦛", scale=0.9, recolour=True, top=0.2),
    animal(("mouse", "rat"), "🐁", scale=0.4, recolour=True),
    animal(("hamster",), "🐹", scale=0.42),
    animal(("rabbit", "bunny", "hare"), "🐇", scale=0.45, recolour=True),
    animal(("squirrel", "chipmunk"), "🐿", scale=0.42),
    animal(("hedgehog", "porcupine"), "🦔", scale=0.42),
    animal(("bat",), "🦇", place="air", scale=0.45, recolour=True, holds=False),
    animal(("bear",), "🐻", scale=0.75, recolour=True),
    animal(("koala",), "🐨", scale=0.55),
    animal(("panda", "panda bear"), "🐼", scale=0.7),
    animal(("sloth",), "🦥", scale=0.55),
    animal(("kangaroo", "wallaby"), "🦘", scale=0.75, recolour=True),
    animal(("monkey",), "🐒", scale=0.6),
    animal(("gorilla", "ape"), "🦍", scale=0.8),
    animal(("frog", "toad"), "🐸", scale=0.42, recolour=True),
    animal(("crocodile", "alligator"), "🐊", scale=0.75, recolour=True),
    animal(("turtle", "tortoise"), "🐢", scale=0.48, top=0.2),
    animal(("lizard", "gecko"), "🦎", scale=0.45, recolour=True),
    animal(("snake", "serpent"), "🐍", scale=0.5, recolour=True, holds=False),
    animal(("dragon",), "🐉", scale=0.95, recolour=True),
    animal(("dinosaur", "trex", "tyrannosaurus"), "🦖", scale=0.95, recolour=True),
    animal(("snail",), "🐌", scale=0.38, holds=False),
    animal(("octopus",), "🐙", place="water", scale=0.55, recolour=True),
    animal(("crab",), "🦀", scale=0.45, recolour=True),
    animal(("lobster",), "🦞", scale=0.5, recolour=True),
    animal(("jellyfish",), "🪼", place="water", scale=0.5, recolour=True, holds=False),
    animal(("seal", "sea lion"), "🦭", scale=0.65, recolour=True),
)

BIRDS: tuple[Thing, ...] = (
    bird(("bird", "songbird"), "🐦", scale=0.45, recolour=True),
    bird(("penguin",), "🐧", scale=0.55),
    bird(("chicken", "hen"), "🐔", scale=0.48),
    bird(("chick", "baby chick"), "🐥", scale=0.38, recolour=True),
    bird(("duck",), "🦆", scale=0.48),
    bird(("swan",), "🦢", scale=0.6, recolour=True),
    bird(("turkey",), "🦃", scale=0.55),
    bird(("eagle", "hawk", "falcon"), "🦅", place="air", scale=0.6, holds=False),
    bird(("owl",), "🦉", scale=0.48, recolour=True),
    bird(("flamingo",), "🦩", scale=0.7, recolour=True),
    bird(("peacock",), "🦚", scale=0.65),
    bird(("parrot", "macaw"), "🦜", scale=0.5),
    bird(("dove", "pigeon"), "🕊", place="air", scale=0.45, holds=False),
    bird(("phoenix", "firebird"), "🐦‍🔥", place="air", scale=0.65, holds=False),
)

SEA_ANIMALS: tuple[Thing, ...] = (
    fish(("fish",), "🐟", scale=0.48, recolour=True),
    fish(("tropical fish", "clownfish"), "🐠", scale=0.45),
    fish(("pufferfish", "blowfish"), "🐡", scale=0.45),
    fish(("shark",), "🦈", scale=0.8, recolour=True),
    fish(("dolphin",), "🐬", scale=0.75, recolour=True),
    fish(("whale",), "🐳", scale=1.0, recolour=True),
    Thing(("shell", "seashell"), "🐚", kind="fish", scale=0.38, held=True),
    Thing(("coral",), "🪸", kind="fish", place="water", scale=0.5, recolour=True),
)

INSECTS: tuple[Thing, ...] = (
    insect(("butterfly",), "🦋", place="air", scale=0.42, recolour=True),
    insect(("caterpillar",), "🐛", recolour=True),
    insect(("ant",), "🐜"),
    insect(("bee", "honeybee", "bumblebee"), "🐝", place="air"),
    insect(("beetle",), "🪲", recolour=True),
    insect(("ladybug", "ladybird"), "🐞", recolour=True),
    insect(("spider",), "🕷"),
    insect(("scorpion",), "🦂", scale=0.42),
)

PEOPLE: tuple[Thing, ...] = (
    person(("person", "human", "someone"), "🧍"),
    person(("man", "guy", "gentleman"), "🧍‍♂️"),
    person(("woman", "lady"), "🧍‍♀️"),
    person(("boy", "child", "kid"), "👦", scale=0.6),
    person(("girl",), "👧", scale=0.6),
    person(("baby", "infant", "toddler"), "👶", scale=0.5),
    person(("old man", "grandfather", "grandpa"), "👴"),
    person(("farmer", "gardener"), "🧑‍🌾"),
    person(("cook", "chef"), "🧑‍🍳"),
    person(("doctor", "nurse", "physician"), "🧑‍⚕️"),
    person(("painter", "artist"), "🧑‍🎨"),
    person(("astronaut", "spaceman", "cosmonaut"), "🧑‍🚀"),
    person(("firefighter", "fireman"), "🧑‍🚒"),
    person(("police officer", "policeman", "policewoman", "cop"), "👮"),
    person(("builder", "construction worker"), "👷"),
    person(("singer", "rock star", "pop star"), "🧑‍🎤"),
    person(("pilot", "captain"), "🧑‍✈️"),
    person(("cowboy", "sheriff"), "🤠"),
    person(("detective", "spy"), "🕵"),
    person(("ninja",), "🥷"),
    person(("princess", "queen"), "👸"),
    person(("king", "prince", "monarch"), "🤴"),
    person(("santa claus", "santa", "father christmas"), "🎅"),
    person(("angel", "cherub"), "👼"),
    person(("wizard", "mage", "sorcerer"), "🧙"),
    person(("fairy",), "🧚"),
    person(("mermaid",), "🧜‍♀️"),
    person(("vampire",), "🧛"),
    person(("zombie",), "🧟"),
    person(("superhero", "hero"), "🦸"),
    mover(("runner", "person running", "jogger"), "🏃"),
    mover(("surfer", "person surfing"), "🏄", place="water"),
    mover(("cyclist", "person cycling", "person riding a bike"), "🚴"),
    mover(("woman dancing", "dancer", "dancing woman", "ballerina"), "💃"),
    mover(("man dancing", "dancing man"), "🕺", recolour=True),
    mover(("people dancing", "dancing people", "dancing couple", "people at a dance"), "💃 🕺", scale=0.85),
    mover(("couple", "man and woman", "lovers"), "👫"),
)

PLANTS: tuple[Thing, ...] = (
    plant(("tree", "oak"), "🌳", scale=1.0, recolour=True),
    plant(("pine tree", "pine", "fir", "fir tree"), "🌲", scale=1.0, recolour=True),
    plant(("palm", "palm tree"), "🌴", scale=1.0),
    plant(("christmas tree",), "🎄", scale=0.9),
    plant(("cactus",), "🌵", scale=0.7, recolour=True),
    plant(("bush", "shrub"), "bush", scale=0.6, recolour=True),
    plant(("sunflower",), "🌻", scale=0.5, held=True),
    plant(("rose",), "🌹", recolour=True, held=True),
    plant(("tulip",), "🌷", recolour=True, held=True),
    plant(("flower", "cherry blossom", "blossom"), "🌸", scale=0.4, recolour=True, held=True),
    plant(("lotus", "water lily"), "🪷", place="water", scale=0.45, recolour=True),
    plant(("bouquet", "bunch of flowers"), "💐", held=True),
    plant(("potted plant", "houseplant", "plant"), "🪴", scale=0.55),
    plant(("wheat", "ear of rice"), "🌾", scale=0.5, held=True),
    plant(("clover", "shamrock", "four leaf clover"), "🍀", scale=0.38, held=True),
    plant(("maple leaf", "leaf", "autumn leaf"), "🍁", scale=0.38, recolour=True, held=True),
    plant(("mushroom", "toadstool"), "🍄", scale=0.42, recolour=True, held=True, top=0.08),
    plant(("log", "tree trunk"), "🪵", place="surface", scale=0.5, top=0.22),
    plant(("nest", "bird nest"), "🪺", place="surface", scale=0.45, top=0.35),
    plant(("branch", "tree branch", "twig", "bough"), "branch", place="surface", scale=0.9, top=0.52),
)

LIVING: tuple[Thing, ...] = ANIMALS + BIRDS + SEA_ANIMALS + INSECTS + PEOPLE + PLANTS
