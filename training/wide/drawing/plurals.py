"""Words whose plural follows no rule, and words that need no article."""

from __future__ import annotations

ALIKE = (  # one and many are called the same: a sheep, two sheep
    "sheep", "deer", "moose", "elk", "bison", "fish", "tropical fish", "clownfish", "pufferfish", "blowfish", "jellyfish",
    "shrimp", "squid", "hello world", "hello world sign", "statue of liberty", "planet earth", "earth", "saturn", "santa claus",
    "santa", "father christmas", "knife and fork", "man and woman",
)  # fmt: skip
MASS = (  # bread, not a bread
    "salt", "bread", "toast", "bacon", "broccoli", "garlic", "corn", "maize", "wheat", "lavender", "coral", "popcorn", "butter",
    "rice", "sushi", "spaghetti", "pasta", "ramen", "ice cream", "ice", "honey", "milk", "coffee", "tea", "wine", "red wine",
    "soda", "lemonade", "juice", "bubble tea", "cheese", "meat", "chocolate", "champagne", "cutlery", "french bread", "bowling",
    "soap", "thread", "yarn", "wool", "music", "luggage", "money",
)  # fmt: skip
MANY = (  # glasses, not a glasses
    "scissors", "glasses", "eyeglasses", "spectacles", "sunglasses", "shades", "jeans", "trousers", "pants", "shorts",
    "socks", "stockings", "gloves", "mittens", "headphones", "maracas", "drums", "bricks", "bubbles", "soap bubbles", "fireworks",
    "wings", "footprints", "paw prints", "lips", "grapes", "blueberries", "cherries", "peanuts", "peas", "pancakes",
    "french fries", "fries", "chips", "noodles", "wrestlers", "lovers", "people dancing", "dancing people",
    "people wrestling", "bowling pins",
)  # fmt: skip
PLURALS: dict[str, str] = {
    **{word: word for word in (*ALIKE, *MASS, *MANY)},
    "mouse": "mice",
    "goose": "geese",
    "person": "people",
    "child": "children",
    "tooth": "teeth",
    "die": "dice",
    "knife": "knives",
    "leaf": "leaves",
    "loaf": "loaves",
    "wolf": "wolves",
    "scarf": "scarves",
    "shelf": "shelves",
    "cactus": "cacti",
    "potato": "potatoes",
    "tomato": "tomatoes",
    "hero": "heroes",
    "superhero": "superheroes",
    "buffalo": "buffaloes",
    "tornado": "tornadoes",
    "bow and arrow": "bows and arrows",
}
"""Whole words and the last words of several."""
LINKS = (
    "of",
    "in",
    "on",
    "with",
    "doing",
    "riding",
    "playing",
    "lifting",
    "running",
    "walking",
    "dancing",
    "swimming",
    "surfing",
)
LINKS += ("rowing", "skiing", "snowboarding", "cycling", "climbing", "juggling", "fencing", "meditating", "sleeping", "bathing")
"""What follows one of these words says more of the first: a jar of honey, jars of honey."""
