"""Irregular plurals, and words without an article."""

from __future__ import annotations

ALIKE = (  # the plural equals the singular: a sheep, two sheep
    "sheep", "deer", "fish", "tropical fish", "clownfish", "pufferfish", "blowfish", "jellyfish", "hello world",
    "hello world sign", "statue of liberty", "planet earth", "earth", "saturn", "santa claus", "santa", "father christmas",
    "man and woman",
)  # fmt: skip
MASS = (  # uncountable: bread, not a bread
    "bread", "toast", "broccoli", "corn", "maize", "wheat", "coral", "popcorn", "rice", "sushi", "spaghetti", "pasta",
    "ice cream", "ice", "honey", "milk", "coffee", "tea", "wine", "red wine", "cheese", "meat", "chocolate", "champagne",
    "yarn", "wool", "music", "luggage", "money",
)  # fmt: skip
MANY = (  # plural only: glasses, not a glasses
    "scissors", "glasses", "eyeglasses", "spectacles", "sunglasses", "shades", "jeans", "trousers", "pants", "socks",
    "stockings", "gloves", "mittens", "headphones", "drums", "fireworks", "wings", "grapes", "blueberries", "cherries",
    "pancakes", "french fries", "fries", "chips", "lovers", "people dancing", "dancing people",
)  # fmt: skip
PLURALS: dict[str, str] = {
    **{word: word for word in (*ALIKE, *MASS, *MANY)},
    "mouse": "mice",
    "person": "people",
    "child": "children",
    "die": "dice",
    "leaf": "leaves",
    "loaf": "loaves",
    "wolf": "wolves",
    "scarf": "scarves",
    "cactus": "cacti",
    "tomato": "tomatoes",
    "hero": "heroes",
    "superhero": "superheroes",
    "tornado": "tornadoes",
    "bow and arrow": "bows and arrows",
}
"""Singular -> plural, for whole words and for the last word of a compound."""
LINKS = ("of", "on", "riding", "running", "dancing", "surfing", "cycling")
"""Words that introduce a complement, so that the noun before them is inflected: a jar of honey, jars of honey."""
